"""Look versions up anew, write every lock, say what moved."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder import command, download, image_lock, manifest, paths, pin, progress, provider_types, release_age
from builder.debian import debian_lock, mirrors
from builder.errors import KitError, UnreachableError
from builder.image_lock import Inputs
from builder.release_age import Upgrade


def write(*, upgrade: Upgrade | None, debian_mirror: str | None) -> None:
    """Write every lock. With `upgrade` all packages move to the newest version that fits, otherwise only
    those that must. Debian packages always move: a mirror keeps current versions only.
    """
    before = _image_versions(), debian_lock.versions(), _kit_versions()
    with all_or_nothing(paths.REQUIREMENTS):
        _write(upgrade=upgrade, debian_mirror=debian_mirror)
    after = _image_versions(), debian_lock.versions(), _kit_versions()
    changes = [line for old, new in zip(before, after, strict=True) for line in image_lock.moved(old, new)]
    for line in changes or ["nothing moved"]:
        progress.out.print(line)


@contextmanager
def all_or_nothing(folder: Path) -> Iterator[None]:
    """Put the files of a folder back as they were if the body fails or is interrupted: locks belong together."""
    contents = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    try:
        yield
    except BaseException:
        for path in folder.iterdir():
            if path.is_file() and path not in contents:
                path.unlink()
        for path, content in contents.items():
            if not path.is_file() or path.read_bytes() != content:
                paths.write_whole(path, content)
        raise


def _write(*, upgrade: Upgrade | None, debian_mirror: str | None) -> None:
    version = pin.llama_stack()
    with progress.step("providers", f"of llama-stack {version}"):
        _describe_providers(version, upgrade)
    with progress.step("debian"):
        debian_lock.write(download.package_session(), mirrors.find(debian_mirror))
    known_types = provider_types.load()
    shipped = manifest.load(paths.BUILD_CONFIG, known_types)
    with progress.step("image") as step:
        inputs = image_lock.inputs(shipped.providers, known_types)
        step.detail = f"{len(image_lock.compile_lock(inputs, paths.IMAGE_LOCK, upgrade=upgrade).versions)} packages"
    with progress.step("kit", "uv, sdists, build, test"):
        _compile_kit_locks(inputs, upgrade=upgrade)


def _describe_providers(version: str, upgrade: Upgrade | None) -> None:
    """Ask the pinned llama-stack, in an environment of its own, which providers there are."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = Path(scratch) / "environment"
        command.run_uv(["venv", "--python", "3.12", environment], failure="no environment could be made")
        python = environment / ("Scripts/python.exe" if paths.WINDOWS else "bin/python")
        wanted = [f"llama-stack=={version}", f"llama-stack-client=={version}"]
        with release_age.explained():
            command.run_uv(
                ["pip", "install", "--python", python, *release_age.words(upgrade), *wanted],
                failure=f"llama-stack {version} could not be installed",
                error=UnreachableError,
            )
        text = command.run(
            [python, "-m", "providers.registry"],
            environment={"PYTHONPATH": str(paths.ROOT)},
            failure="the provider registries could not be read",
        )
    if "inference:" not in text:
        raise KitError("the provider registries came out empty")
    paths.PROVIDERS.write_text(text, encoding="utf-8")


def _compile_kit_locks(image: Inputs, *, upgrade: Upgrade | None) -> None:
    """The locks of what runs on the user's machine, for every system and Python the kit runs on.

    The tests' environment holds the image's packages too, so that the code of the image is tested and
    type-checked against exactly what it runs with.
    """
    _compile_kit_lock("uv", ["-"], "uv", python="3.9", upgrade=upgrade)
    _compile_kit_lock("sdists", ["-"], "setuptools", upgrade=upgrade)
    same: list[str | Path] = ["--constraints", paths.IMAGE_LOCK]
    _compile_kit_lock("build", [paths.PYPROJECT, *same], upgrade=upgrade)
    same += ["--constraints", paths.REQUIREMENTS / "build.lock"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as left_out:
        left_out.write("\n".join(image.left_out))
        left_out.flush()
        sources: list[str | Path] = [paths.PYPROJECT, "-", "--extra", "test", "--excludes", left_out.name, *same]
        _compile_kit_lock("test", sources, "\n".join(image.requirements), upgrade=upgrade)


def _compile_kit_lock(
    name: str, sources: list[str | Path], stdin: str | None = None, *, python: str = "3.12", upgrade: Upgrade | None
) -> None:
    words: list[str | Path] = ["pip", "compile", *sources, "--quiet"]
    words += ["--output-file", paths.REQUIREMENTS / f"{name}.lock"]
    words += release_age.words(upgrade)
    words += ["--universal", "--python-version", python, "--generate-hashes", "--no-header", "--no-annotate"]
    with release_age.explained():
        command.run_uv(
            words,
            stdin=stdin or "",
            failure=f"requirements/{name}.lock could not be resolved",
            error=UnreachableError,
            advice="an index that holds a release for some platforms only will not do: name one that has them all",
        )


def _image_versions() -> dict[str, str]:
    return _versions("image")


def _kit_versions() -> dict[str, str]:
    return _versions("test")


def _versions(name: str) -> dict[str, str]:
    path = paths.REQUIREMENTS / f"{name}.lock"
    return image_lock.Lock(path, path.read_text(encoding="utf-8")).versions if path.is_file() else {}
