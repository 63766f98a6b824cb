"""What an image is built on: a root file system with a Python in it, wherever it comes from."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from builder.image.entries import Entry
from builder.image.layers import BlobStore, Layer
from builder.image.oci import Inherited


class Tree(Protocol):
    """A file tree that can be laid out on disk."""

    @property
    def key(self) -> str:
        """Determines the content."""

    def lay_out(self, root: Path) -> None:
        """Write it below `root`."""


class Base(Tree, Protocol):
    """A base, and where in it the kit puts things. Paths in the image have no slash before them; programs do."""

    @property
    def python_version(self) -> str:
        """As in `3.13`."""

    @property
    def interpreter(self) -> str:
        """The base's own Python program."""

    @property
    def python(self) -> str:
        """The Python that sees the wheels; their programs name it in their first line."""

    @property
    def site_packages(self) -> str:
        """Where the wheels go."""

    @property
    def scripts(self) -> str:
        """Where the wheels' programs go."""

    @property
    def installed(self) -> Sequence[str]:
        """The folders that hold nothing but what is put on the base."""

    @property
    def standard_library(self) -> str:
        """The folder of Python's own modules."""

    @property
    def compiles_library(self) -> bool:
        """Whether the standard library comes without bytecode."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a container, PATH among them; the kit's own come on top."""

    @property
    def labels(self) -> dict[str, str]:
        """What an image says of its base."""

    @property
    def inherited(self) -> Inherited:
        """What an image keeps of the base's config."""

    @property
    def summary(self) -> str:
        """For people."""

    @property
    def entries(self) -> Sequence[Entry]:
        """What the kit itself puts into the base, for a look at the modes."""

    def layers(self, store: BlobStore, kit: str, compiled: Callable[[], Iterable[Entry]]) -> list[Layer]:
        """Its layers, lowest first. `kit` is a digest of the kit's code, `compiled` the library's bytecode."""
