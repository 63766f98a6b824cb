"""`build.py lock`: look up versions anew, write the locks, say what moved."""

import tempfile
from pathlib import Path

from builder import catalogue as catalogues
from builder import command, download, lock, manifest, paths, progress
from builder.debian import lock as debian_lock
from builder.debian import mirrors
from builder.errors import KitError, UnreachableError

_KIT_LOCKS = ("uv", "sdists", "build", "test")
_TYPED = {"uv": "uv", "sdists": "setuptools"}
"""Locks that are made from a name alone; the others come from pyproject.toml."""
_PINNED = "llama-stack==0.3.3"


def update(*, upgrade: bool, debian_mirror: str | None) -> None:
    """Write every lock. With `upgrade` all packages move to the newest version that fits, otherwise only
    those that must. Debian packages always move: a mirror keeps current versions only.
    """
    before = _image_versions(), debian_lock.versions(), _kit_versions()
    with progress.step("providers", f"of {_PINNED}"):
        _describe_upstream()
    with progress.step("debian"):
        debian_lock.write(download.session(), mirrors.find(debian_mirror))
    catalogue = catalogues.load()
    shipped = manifest.load(paths.BUILD_CONFIG, catalogue)
    with progress.step("image") as step:
        inputs = lock.inputs(shipped.providers, catalogue)
        step.detail = f"{len(lock.compile_lock(inputs, paths.IMAGE_LOCK, upgrade=upgrade).versions)} packages"
    with progress.step("kit", ", ".join(_KIT_LOCKS)):
        for name in _KIT_LOCKS:
            _compile_kit_lock(name, upgrade=upgrade)
    after = _image_versions(), debian_lock.versions(), _kit_versions()
    changes = [line for old, new in zip(before, after, strict=True) for line in lock.moved(old, new)]
    for line in changes or ["nothing moved"]:
        progress.out.print(line)


def _describe_upstream() -> None:
    """Ask the pinned llama-stack, in an environment of its own, which providers there are."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = Path(scratch) / "environment"
        command.run([command.uv(), "venv", "--python", "3.12", environment], failure="no environment could be made")
        python = environment / ("Scripts/python.exe" if paths.WINDOWS else "bin/python")
        command.run(
            [command.uv(), "pip", "install", "--python", python, _PINNED, "llama-stack-client==0.3.3"],
            failure=f"{_PINNED} could not be installed",
            error=UnreachableError,
        )
        text = command.run(
            [python, paths.ROOT / "builder" / "describe_upstream.py"], failure="its registries could not be read"
        )
    if "inference:" not in text:
        raise KitError("llama-stack's registries came out empty")
    paths.UPSTREAM_PROVIDERS.write_text(text, encoding="utf-8")


def _compile_kit_lock(name: str, *, upgrade: bool) -> None:
    """A lock of what runs on the user's machine, for every system and Python the kit runs on."""
    words: list[str | Path] = [command.uv(), "pip", "compile", "-" if name in _TYPED else paths.PYPROJECT]
    words += ["--output-file", paths.REQUIREMENTS / f"{name}.lock", "--quiet"]
    words += ["--universal", "--python-version", "3.9" if name == "uv" else "3.12"]
    words += ["--generate-hashes", "--no-header", "--no-annotate"]
    words += ["--extra", "test", "--constraints", paths.REQUIREMENTS / "build.lock"] if name == "test" else []
    words += ["--upgrade"] if upgrade else []
    command.run(
        words,
        stdin=_TYPED.get(name),
        failure=f"requirements/{name}.lock could not be resolved",
        error=UnreachableError,
    )


def _image_versions() -> dict[str, str]:
    return _versions("image")


def _kit_versions() -> dict[str, str]:
    return _versions("test")


def _versions(name: str) -> dict[str, str]:
    path = paths.REQUIREMENTS / f"{name}.lock"
    return lock.Lock(path, path.read_text(encoding="utf-8")).versions if path.is_file() else {}
