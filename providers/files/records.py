"""What is known about a file."""

from dataclasses import dataclass, field

from providers.access.records import Owner


@dataclass(frozen=True)
class FileRecord:
    """One row of a provider's table; times are seconds since 1970."""

    id: str
    filename: str
    purpose: str
    bytes: int
    created_at: int
    # None: the file stays until somebody removes it.
    expires_at: int | None
    # Of the content, in hex. None for a file from llama-stack's own provider that was not read since.
    sha256: str | None
    verified_at: int | None = None
    # What was wrong with the content when it was last read.
    damage: str | None = None
    owner: Owner = field(default_factory=Owner)
