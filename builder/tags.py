"""Image names: what --tag takes, checked by the grammar that engines and registries use."""

import re
from dataclasses import dataclass

from builder.errors import UsageError

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<name>{_COMPONENT}(?:/{_COMPONENT})*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}))?"
)
DEFAULT_HOST = "docker.io"


@dataclass(frozen=True)
class Tag:
    """A parsed image name. `host` is empty for a name without a registry."""

    host: str
    name: str
    tag: str

    def __str__(self) -> str:
        return f"{self.host}/{self.name}:{self.tag}" if self.host else f"{self.name}:{self.tag}"

    @property
    def qualified(self) -> str:
        """With the registry that engines assume where none is named."""
        name = self.name if self.host or "/" in self.name else f"library/{self.name}"
        return f"{self.host or DEFAULT_HOST}/{name}:{self.tag}"

    @property
    def repository(self) -> str:
        """The name as the registry's protocol has it."""
        return self.qualified.partition("/")[2].rpartition(":")[0]

    @property
    def file_name(self) -> str:
        """The archive's name: NAME-TAG.tar, with what no file can be called by written otherwise.

        Two tags never share one: `+` stands for a slash, `,` for a host's colon, and `@` for the colon of a tag that
        has a dash itself. None of the three can be in a tag.
        """
        before_tag = "@" if "-" in self.tag else "-"
        path = f"{self.host}/{self.name}" if self.host else self.name
        return path.replace("/", "+").replace(":", ",") + f"{before_tag}{self.tag}.tar"


@dataclass(frozen=True)
class Reference:
    """An image that exists somewhere: by its tag, or by a digest if one is given."""

    tag: Tag
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.tag}@{self.digest}" if self.digest else str(self.tag)


def parse_reference(text: str, option: str) -> Reference:
    """Parse NAME[:TAG][@sha256:...], the value of an option."""
    name, at, digest = text.partition("@")
    if at and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise UsageError(f"{option} {text!r}: a digest is sha256: and 64 hexadecimal digits")
    return Reference(parse(name, option), digest)


def parse(text: str, option: str = "--tag") -> Tag:
    """Parse NAME[:TAG] with an optional HOST[:PORT]/ before it; the tag is `latest` if none is given.

    Raises UsageError saying which part is wrong.
    """
    match = _REFERENCE.fullmatch(text)
    if not match or len(text) > 255:
        raise UsageError(f"{option} {text!r} is not an image name: {_why(text)}", "for example: llama-stack:1.0")
    host, name = match["host"] or "", match["name"]
    if host and not (re.search(r"[.:\[]", host) or host == "localhost"):
        host, name = "", f"{host}/{name}"  # as engines do: a first part without a dot is no host
        if not re.fullmatch(rf"{_COMPONENT}(?:/{_COMPONENT})*", name):
            raise UsageError(f"{option} {text!r} is not an image name: {_why(name)}", "for example: team/llama-stack:1")
    return Tag(host, name, match["tag"] or "latest")


def _why(text: str) -> str:
    if not text:
        return "it is empty"
    if "@" in text:
        return "a digest cannot be chosen, it comes out of the build"
    if text != text.lower() and re.fullmatch(_REFERENCE, text.lower()):
        return "names are lower case"
    if bad := re.search(r"[^A-Za-z0-9._:/\[\]-]", text):
        return f"{bad.group()!r} is not allowed"
    return "its form is [HOST[:PORT]/]NAME[:TAG], letters, digits and single . _ - / between them"
