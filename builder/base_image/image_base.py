"""Somebody else's image as a base: its layers and config as they are, the wheels in a virtual environment.

The environment is made of files alone, so nothing of the base runs, and what the base has installed for its
own Python does not mix with the lock.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from builder import stage
from builder.base_image import pull, python
from builder.base_image.pull import Pulled
from builder.base_image.python import Interpreter
from builder.image import entries
from builder.image.entries import Entry
from builder.image.layers import BlobStore, Layer
from builder.image.oci import Inherited
from builder.platforms import Platform
from builder.tags import Reference

HOME = "opt/llama-stack-python"

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class ImageBase:
    """A pulled image and the Python in it."""

    pulled: Pulled
    found: Interpreter
    compiles_library: bool

    python = f"/{HOME}/bin/python"
    scripts = f"{HOME}/bin"
    installed = (HOME,)

    @property
    def key(self) -> str:
        """Determines the content."""
        return self.pulled.key

    @property
    def python_version(self) -> str:
        """As in `3.12`."""
        return self.found.version

    @property
    def interpreter(self) -> str:
        """The base's own Python program."""
        return self.found.program

    @property
    def standard_library(self) -> str:
        """The folder of Python's own modules."""
        return self.found.library

    @property
    def site_packages(self) -> str:
        """Where the wheels go."""
        return f"{HOME}/lib/python{self.found.version}/site-packages"

    @property
    def environment(self) -> dict[str, str]:
        """The base's variables, with the environment's programs first on PATH."""
        inherited = self.pulled.environment
        return {**inherited, "PATH": f"/{self.scripts}:{inherited.get('PATH') or _DEFAULT_PATH}"}

    @property
    def labels(self) -> dict[str, str]:
        """Names the base as OCI does."""
        prefix = "org.opencontainers.image.base"
        return {f"{prefix}.name": str(self.pulled.reference.tag), f"{prefix}.digest": self.pulled.digest}

    @property
    def inherited(self) -> Inherited:
        """What an image keeps of the base's config."""
        return self.pulled.inherited

    @property
    def summary(self) -> str:
        """For people."""
        return f"{self.pulled.reference} ({len(self.pulled.own_layers)} layers), Python {self.found.version}"

    @cached_property
    def entries(self) -> list[Entry]:
        """The virtual environment, still empty: as `python -m venv` makes it."""
        program = self.found.program
        home, version = program.rpartition("/")[0], self.found.version
        settings = f"home = {home}\ninclude-system-site-packages = false\nversion = {version}\n"
        return [
            *entries.directories_to(self.scripts, self.site_packages),
            entries.file(f"{HOME}/pyvenv.cfg", settings.encode()),
            entries.link(f"{self.scripts}/python", program),
            entries.link(f"{self.scripts}/python3", "python"),
            entries.link(f"{self.scripts}/python{version}", "python"),
        ]

    def lay_out(self, root: Path) -> None:
        """Unpack the base and make the environment."""
        self.pulled.lay_out(root)
        entries.write_to_disk(self.entries, root)

    def layers(self, store: BlobStore, kit: str, compiled: Callable[[], Iterable[Entry]]) -> list[Layer]:
        """The base's own, and one with the bytecode that it lacks."""
        own = list(self.pulled.own_layers)
        if not self.compiles_library:
            return own
        return [*own, store.layer("standard-library", f"{self.key} {kit}", lambda: list(compiled()))]


def prepare(reference: Reference, platform: Platform, store: BlobStore, *, plain_http: bool) -> ImageBase:
    """Pull the base for a platform and find its Python. Raises BaseImageError if it will not do."""
    pulled = pull.pull(reference, platform, store, plain_http=plain_http)
    tree = stage.base_alone(pulled)
    found = python.find(tree, pulled.environment.get("PATH") or _DEFAULT_PATH, str(reference))
    compiled = list((tree / found.library / "__pycache__").glob("os.*.pyc"))
    return ImageBase(pulled, found, compiles_library=not compiled)
