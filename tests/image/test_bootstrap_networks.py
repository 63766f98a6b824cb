"""The build environment is made wherever pip or uv can install packages, and a ready one is never lost.

The index is one of the tests' own; its wheels are the pinned uv and two small packages in the place of the locks'.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from builder import command, network
from tests.image.test_bootstrap import python_of
from tests.support import clones, package_index
from tests.support.package_index import Index, Wheel
from tests.support.process import LOOPBACK, hear_interrupts

NOWHERE = f"http://{LOOPBACK}:9/simple"
OF_THE_NETWORK = (
    "PIP_",
    "UV_",
    "SSL_",
    "REQUESTS_",
    "CURL_",
    "XDG_",
    "LLAMA_STACK_BUILD_",
    "VIRTUAL_ENV",
    "PYTHONPATH",
)

PROGRAMS = f"{sys.base_prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
QUICKLY = {"PIP_RETRIES": "0", "UV_HTTP_RETRIES": "0", "PATH": PROGRAMS}
"""No second tries, and few interpreters for uv, whose cache is empty, to ask."""


@pytest.fixture(scope="module")
def wheels() -> tuple[Wheel, ...]:
    """The pinned uv, and what stands for the packages of the build and of the tests."""
    uv = package_index.wheel("uv", programs={"uv": Path(command.uv()).read_bytes()})
    return uv, package_index.wheel("demo"), package_index.wheel("tester")


@dataclass
class Clone:
    """A clone whose locks name the small packages, and the user who builds in it."""

    root: Path
    home: Path
    python: str
    environment: dict[str, str] = field(default_factory=dict)

    def pip_conf(self, *lines: str) -> None:
        """Write the user's pip.conf."""
        file = self.home / ".config" / "pip" / "pip.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(["[global]", *lines, ""]))

    def start(self, name: str = "build", *, under: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        """Enter the environment `name` and print what is installed in it."""
        say = "from importlib.metadata import distributions as d; print(*sorted(x.name for x in d()))"
        begin = "from builder import bootstrap, ending; ending.listen()"  # as build.py does
        enter = f"{begin}; bootstrap.enter_environment({name!r}, ['-c', {say!r}])"
        inherited = {key: value for key, value in os.environ.items() if not key.upper().startswith(OF_THE_NETWORK)}
        inherited = {key: value for key, value in inherited.items() if not key.upper().endswith("_PROXY")}
        return subprocess.Popen(
            [*under, self.python, "-c", enter],
            cwd=self.root,
            env={**inherited, **QUICKLY, "HOME": str(self.home), "XDG_CONFIG_DIRS": str(self.home), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=hear_interrupts,
        )

    def enter(self, name: str = "build", *, under: tuple[str, ...] = ()) -> "Result":
        """`start`, and wait for the end."""
        process = self.start(name, under=under)
        output, problems = process.communicate(timeout=120)
        return Result(process.returncode, output.strip(), problems)


@dataclass(frozen=True)
class Result:
    """What a start of build.py left."""

    code: int
    installed: str
    problems: str


@pytest.fixture
def clone(tmp_path: Path, wheels: tuple[Wheel, ...]) -> Clone:
    root, home = clones.copy(tmp_path / "clone"), tmp_path / "home"
    home.mkdir()
    for name, item in zip(("uv", "build", "test"), wheels, strict=True):
        (root / "requirements" / f"{name}.lock").write_text(item.pin)
    return Clone(root, home, python_of("3.12"))


@pytest.fixture
def index(wheels: tuple[Wheel, ...]) -> Iterator[Index]:
    with package_index.serve(*wheels) as running:
        yield running


class TestSettings:
    """What pip knows uv knows, and the other way round."""

    def test_an_index_that_only_pip_conf_names(self, clone: Clone, index: Index) -> None:
        clone.pip_conf(f"index-url = {index.address}")

        done = clone.enter()

        assert (done.code, done.installed) == (0, "demo"), done.problems
        assert "/files/uv-1.0-py3-none-any.whl" in index.requests

    def test_an_extra_index_that_only_pip_conf_names(self, clone: Clone, index: Index) -> None:
        with package_index.serve(package_index.wheel("demo", "0.9")) as other:
            clone.pip_conf(f"index-url = {index.address}", f"extra-index-url = {other.address}")
            first = clone.enter()
            shutil.rmtree(clone.root / ".venv")
            clone.pip_conf(f"index-url = {other.address}", f"extra-index-url = {index.address}")
            second = clone.enter()

        assert (first.code, first.installed) == (0, "demo"), first.problems
        assert (second.code, second.installed) == (0, "demo"), second.problems

    def test_a_proxy_that_only_pip_conf_names(self, clone: Clone, index: Index) -> None:
        proxy = index.server.removeprefix("http://")
        clone.pip_conf("index-url = http://index.invalid/simple", "trusted-host = index.invalid", f"proxy = {proxy}")

        done = clone.enter()

        assert (done.code, done.installed) == (0, "demo"), done.problems

    def test_a_ca_that_only_pip_conf_names(self, clone: Clone, wheels: tuple[Wheel, ...], tmp_path: Path) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        with package_index.serve(*wheels, authority=authority) as secured:
            clone.pip_conf(f"index-url = {secured.address}", f"cert = {tmp_path / 'ca.pem'}")
            done = clone.enter()

        assert (done.code, done.installed) == (0, "demo"), done.problems

    @pytest.mark.parametrize("version", ["3.9", "3.13"])
    def test_a_ca_that_only_the_system_has(
        self, clone: Clone, wheels: tuple[Wheel, ...], tmp_path: Path, version: str
    ) -> None:
        authority = trustme.CA()
        bundle = network.system_bundle()
        assert bundle
        (tmp_path / "bundle.crt").write_bytes(Path(bundle).read_bytes() + authority.cert_pem.bytes())
        (tmp_path / "empty").touch()
        mounts = f"mount --bind {tmp_path}/bundle.crt {bundle}"
        if Path("/etc/pip.conf").exists():
            mounts += f" && mount --bind {tmp_path}/empty /etc/pip.conf"
        with package_index.serve(*wheels, authority=authority) as secured:
            clone.python = python_of(version)
            clone.pip_conf(f"index-url = {secured.address}")
            without = clone.enter()
            done = clone.enter(under=("unshare", "-rm", "sh", "-c", f'{mounts} && exec "$@"', "sh"))

        assert without.code == 69
        assert (done.code, done.installed) == (0, "demo"), done.problems

    @pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
    def test_an_index_that_only_uvs_variables_name(self, clone: Clone, index: Index, variable: str) -> None:
        clone.environment[variable] = index.address

        done = clone.enter()

        assert (done.code, done.installed) == (0, "demo"), done.problems

    def test_an_index_that_only_uv_toml_names(self, clone: Clone, index: Index, tmp_path: Path) -> None:
        programs = tmp_path / "programs"
        programs.mkdir()
        (programs / "uv").symlink_to(command.uv())
        clone.environment["PATH"] = f"{programs}:{PROGRAMS}"
        settings = clone.home / ".config" / "uv" / "uv.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'[[index]]\nurl = "{index.address}"\ndefault = true\n')
        clone.pip_conf(f"index-url = {NOWHERE}")

        done = clone.enter()

        assert (done.code, done.installed) == (0, "demo"), done.problems

    def test_a_pip_conf_that_wants_virtual_environments_or_the_users_folder(self, clone: Clone, index: Index) -> None:
        clone.pip_conf(f"index-url = {index.address}", "require-virtualenv = true", "user = true")

        done = clone.enter()

        assert (done.code, done.installed) == (0, "demo"), done.problems

    def test_a_python_without_pip_says_what_is_missing(self, clone: Clone, tmp_path: Path) -> None:
        subprocess.run([command.uv(), "venv", "--quiet", "--python", clone.python, tmp_path / "bare"], check=True)
        broken = tmp_path / "broken"
        broken.mkdir()
        (broken / "pip.py").write_text("raise SystemExit('No module named pip')")
        clone.python = str(tmp_path / "bare" / "bin" / "python")
        clone.environment |= {"PATH": "/nowhere", "PYTHONPATH": str(broken)}

        done = clone.enter()

        assert done.code == 1
        assert "pip (or uv) is needed to start" in done.problems


class TestReadyEnvironment:
    """An environment that works is there until another one is complete."""

    @pytest.fixture(autouse=True)
    def with_uv(self, clone: Clone) -> None:
        folder = clone.root / "build" / "uv"
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "uv").symlink_to(command.uv())
        lock = (clone.root / "requirements" / "uv.lock").read_bytes()
        (folder / ".uv.lock.sha256").write_text(hashlib.sha256(lock).hexdigest())

    def test_it_stays_without_a_network(self, clone: Clone, index: Index) -> None:
        clone.pip_conf(f"index-url = {index.address}")
        assert clone.enter().installed == "demo"

        clone.pip_conf(f"index-url = {NOWHERE}")
        failed = clone.enter("test")
        after = clone.enter()

        assert failed.code == 69
        assert "The .venv that was there stays as it is." in failed.problems
        assert (after.code, after.installed, after.problems) == (0, "demo", "")
        assert _environments(clone) == [".venv"]

    def test_the_new_one_takes_its_place_and_its_programs_work(self, clone: Clone, index: Index) -> None:
        clone.pip_conf(f"index-url = {index.address}")
        clone.enter()
        done = clone.enter("test")

        program = subprocess.run([clone.root / ".venv/bin/tester"], capture_output=True, text=True, check=False)

        assert (done.code, done.installed) == (0, "tester"), done.problems
        assert (program.returncode, program.stdout) == (0, "1.0\n")
        assert _environments(clone) == [".venv"]

    def test_it_is_found_again_after_a_kill_between_two_renames(self, clone: Clone, index: Index) -> None:
        clone.pip_conf(f"index-url = {index.address}")
        clone.enter()
        (clone.root / ".venv").rename(clone.root / ".venv.old")

        clone.pip_conf(f"index-url = {NOWHERE}")
        done = clone.enter()

        assert (done.code, done.installed, done.problems) == (0, "demo", "")

    def test_a_linked_one_is_replaced_and_not_changed(self, clone: Clone, index: Index, tmp_path: Path) -> None:
        clone.pip_conf(f"index-url = {index.address}")
        clone.enter()
        (clone.root / ".venv").rename(tmp_path / "shared")
        (clone.root / ".venv").symlink_to(tmp_path / "shared")

        done = clone.enter("test")

        assert (done.code, done.installed) == (0, "tester"), done.problems
        assert (tmp_path / "shared" / "bin" / "demo").exists()

    def test_a_mounted_one_is_made_in_its_place(self, clone: Clone, index: Index) -> None:
        clone.pip_conf(f"index-url = {index.address}")
        (clone.root / ".venv").mkdir()

        done = clone.enter(under=("unshare", "-rm", "sh", "-c", 'mount -t tmpfs none .venv && exec "$@"', "sh"))

        assert (done.code, done.installed) == (0, "demo"), done.problems

    def test_two_starts_at_once_make_one(self, clone: Clone, index: Index) -> None:
        clone.pip_conf(f"index-url = {index.address}")
        started = [clone.start(), clone.start()]

        ends = [process.communicate(timeout=120) for process in started]

        assert [process.returncode for process in started] == [0, 0], ends
        assert [output for output, _ in ends] == ["demo\n", "demo\n"]
        assert "".join(problems for _, problems in ends).count("Preparing .venv") == 1

    @pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    def test_a_signal_ends_all_of_it(self, clone: Clone, index: Index, sent: signal.Signals, code: int) -> None:
        clone.pip_conf(f"index-url = {index.address}")
        clone.enter()
        index.answers.clear()
        index.asked.clear()
        (clone.root / "requirements" / "build.lock").write_text(package_index.wheel("other").pin)
        process = clone.start()
        assert index.asked.wait(60)

        process.send_signal(sent)
        problems = process.communicate(timeout=60)[1]

        assert process.returncode == code, problems
        assert "Traceback" not in problems
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
        assert _environments(clone) == [".venv"]


def _environments(clone: Clone) -> list[str]:
    return sorted(path.name for path in clone.root.glob(".venv*"))
