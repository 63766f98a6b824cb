"""`lock --upgrade` takes no release of the last days, unless it is asked to."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builder import cli, image_lock, network, new_locks, paths
from builder.errors import UnreachableError
from builder.image_lock import Inputs
from builder.release_age import Upgrade
from tests.support import package_index
from tests.support.package_index import Index

DEMO = Inputs(("demo",), ())


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither pip nor uv is told anything, and nothing is cached."""
    monkeypatch.setattr(network, "pip", lambda: network.Pip([], {}))
    for name in ("UV_EXCLUDE_NEWER", "UV_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    # An empty cache knows no interpreter, and uv asks all on PATH, which takes seconds.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setattr(paths, "SDISTS", tmp_path / "sdists.in")
    (tmp_path / "sdists.in").touch()
    monkeypatch.chdir(tmp_path)


def _serve(days: dict[str, float | None]) -> AbstractContextManager[Index]:
    """An index of releases of these ages; None for one of which it does not say."""
    now = datetime.now(UTC)
    uploaded = {version: None if age is None else now - timedelta(days=age) for version, age in days.items()}
    return package_index.serve(*(package_index.wheel("demo", version, uploaded=at) for version, at in uploaded.items()))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Has releases of a month, of eight days, of six days and of today."""
    with _serve({"1.0": 30, "2.0": 8, "3.0": 6, "4.0": 0}) as running:
        monkeypatch.setenv("UV_DEFAULT_INDEX", running.address)
        yield running


def _locked(tmp_path: Path, upgrade: Upgrade | None) -> str:
    return image_lock.compile_lock(DEMO, tmp_path / "image.lock", upgrade=upgrade).versions["demo"]


@pytest.mark.usefixtures("index")
class TestAnIndexThatSaysWhen:
    """One with times of upload."""

    def test_an_upgrade_takes_what_is_seven_days_old(self, tmp_path: Path) -> None:
        assert _locked(tmp_path, Upgrade()) == "2.0"

    def test_the_newest_are_taken_if_asked_for(self, tmp_path: Path) -> None:
        assert _locked(tmp_path, Upgrade(newest=True)) == "4.0"

    @pytest.mark.parametrize(("setting", "version"), [("14 days", "1.0"), ("1 hour", "3.0")])
    def test_uv_may_be_told_another_age(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, version: str
    ) -> None:
        monkeypatch.setenv("UV_EXCLUDE_NEWER", setting)
        assert _locked(tmp_path, Upgrade()) == version
        assert _locked(tmp_path, Upgrade(newest=True)) == "4.0"

    @pytest.mark.parametrize("key", ["exclude-newer", "pip.exclude-newer"])
    def test_uvs_settings_file_may_say_another_age(self, tmp_path: Path, key: str) -> None:
        (tmp_path / "uv.toml").write_text(f'{key} = "14 days"\n')
        assert _locked(tmp_path, Upgrade()) == "1.0"

    def test_a_bound_takes_a_young_release_without_an_upgrade(self, tmp_path: Path) -> None:
        assert _locked(tmp_path, Upgrade()) == "2.0"
        bound = Inputs(("demo>=3",), ())
        assert image_lock.compile_lock(bound, tmp_path / "image.lock").versions == {"demo": "4.0"}
        assert _locked(tmp_path, None) == "4.0"

    def test_a_bound_that_only_young_releases_satisfy_is_explained(self, tmp_path: Path) -> None:
        with pytest.raises(UnreachableError, match="exclude-newer") as raised:
            image_lock.compile_lock(Inputs(("demo>=3",), ()), tmp_path / "image.lock", upgrade=Upgrade())
        assert "--newest" in raised.value.advice

    def test_the_kits_own_locks_are_made_alike(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(paths, "REQUIREMENTS", tmp_path)
        for upgrade, version in ((Upgrade(), "2.0"), (Upgrade(newest=True), "4.0")):
            new_locks._compile_kit_lock("kit", ["-"], "demo", upgrade=upgrade)
            path = tmp_path / "kit.lock"
            assert image_lock.Lock(path, path.read_text()).versions == {"demo": version}


def test_what_an_index_does_not_date_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _serve({"1.0": 30, "2.0": None}) as running:
        monkeypatch.setenv("UV_DEFAULT_INDEX", running.address)
        assert _locked(tmp_path, Upgrade()) == "1.0"


def test_an_index_without_dates_is_an_error_that_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _serve({"1.0": None}) as running:
        monkeypatch.setenv("UV_DEFAULT_INDEX", running.address)
        with pytest.raises(UnreachableError) as raised:
            _locked(tmp_path, Upgrade())
        assert "does not say when it was uploaded" in raised.value.advice
        assert _locked(tmp_path, None) == _locked(tmp_path, Upgrade(newest=True)) == "1.0"
        (tmp_path / "uv.toml").write_text("exclude-newer-package = { demo = false }\n")
        assert _locked(tmp_path, Upgrade()) == "1.0"


def test_an_extra_index_without_dates_is_an_error_that_says_to_leave_it_out(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _serve({"1.0": None}) as extra:
        monkeypatch.setenv("UV_INDEX", extra.address)  # uv takes what the first index has that knows the package
        with pytest.raises(UnreachableError, match=r"exclude-newer|publish time") as raised:
            image_lock.compile_lock(DEMO, tmp_path / "image.lock", upgrade=Upgrade())
        assert "Leave that index out" in raised.value.advice


def test_another_failure_keeps_its_own_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(UnreachableError) as raised:
        _locked(tmp_path, Upgrade())
    assert "version conflict" in raised.value.advice


def test_the_command_line_says_which_releases_are_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Upgrade | None] = []
    monkeypatch.setattr(new_locks, "write", lambda *, upgrade, debian_mirror: asked.append(upgrade))
    assert [cli.run(line.split()) for line in ("lock", "lock --upgrade", "lock --upgrade --newest")] == [0, 0, 0]
    assert asked == [None, Upgrade(), Upgrade(newest=True)]
    assert cli.run(["lock", "--newest"]) == 2
