"""The platforms an image can be built for, and what each tool calls them."""

from dataclasses import dataclass

from builder.errors import UsageError


@dataclass(frozen=True)
class Platform:
    """One operating system and processor, in the words of OCI, Debian, uv and ELF."""

    architecture: str
    """OCI and Debian name of the processor."""
    wheels: str
    """uv's `--python-platform`: the oldest glibc that the wheels must run on."""
    elf_machine: int
    """`e_machine` of ELF files for this processor."""
    loader: str
    """The dynamic loader, at the place that every program for this processor names."""

    @property
    def name(self) -> str:
        """As written after `--platform`."""
        return f"linux/{self.architecture}"


AMD64 = Platform("amd64", "x86_64-manylinux_2_28", 62, "lib64/ld-linux-x86-64.so.2")
ARM64 = Platform("arm64", "aarch64-manylinux_2_28", 183, "lib/ld-linux-aarch64.so.1")
ALL = (AMD64, ARM64)

_HOST_NAMES = {"x86_64": AMD64, "amd64": AMD64, "aarch64": ARM64, "arm64": ARM64}


def of_machine(machine: str) -> Platform:
    """The platform for `platform.machine()`; x86-64 where the kit builds for none of its own kind."""
    return _HOST_NAMES.get(machine.lower(), AMD64)


def parse(name: str) -> Platform:
    """The platform called `name`; raises UsageError with the names there are."""
    for platform in ALL:
        if name == platform.name:
            return platform
    raise UsageError(f"--platform {name}: expected {' or '.join(platform.name for platform in ALL)}")
