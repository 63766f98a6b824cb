"""`build.py audit`: from a place of advisories to what is said and the exit code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder import cli, download, image_lock, paths
from builder.advisories import locked
from builder.commands import audit
from builder.platforms import ALL
from tests.support import advisories
from tests.support.advisories import until
from tests.support.loopback_site import Site, serve

JINJA2 = image_lock.Lock(paths.IMAGE_LOCK, paths.IMAGE_LOCK.read_text()).versions["jinja2"]
GLIBC = next(package.version for package in locked.debian(ALL) if package.name == "glibc")
LATER = "999.0"
HARMLESS = advisories.osv("GHSA-0000", "jinja2", *until(JINJA2))
AFFECTING = advisories.osv(
    "GHSA-1111", "Jinja2", *until(LATER), aliases=["CVE-2026-1"], database_specific={"severity": "HIGH"}
)
TRACKER = {"glibc": {"CVE-2026-2": advisories.debian("resolved", "999-1", urgency="low")}}


@pytest.fixture(autouse=True)
def nothing_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No places are named by the environment, and the list of what is accepted is a file of the test's."""
    monkeypatch.delenv(audit.VARIABLE, raising=False)
    monkeypatch.setattr(paths, "ACCEPTED_ADVISORIES", tmp_path / "accepted.yaml")
    return tmp_path / "accepted.yaml"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "advisories.json"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(download, "package_session", download.session)
    with serve() as running:
        yield running


def _write(place: Path, document: Any) -> Path:
    place.write_text(json.dumps(document))
    return place


def _audit(*places: object, options: str = "") -> int:
    return cli.run(["audit", *options.split(), *(word for place in places for word in ("--advisories", str(place)))])


def test_what_is_affected_is_said_with_what_mends_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = _write(place.with_name("tracker.json"), TRACKER)
    assert _audit(_write(place, [AFFECTING, HARMLESS]), other) == 1
    said = capsys.readouterr()
    assert f"jinja2 {JINJA2}  requirements/image.lock:" in said.out
    assert f"  CVE-2026-1 (GHSA-1111)  high, mended in {LATER}\n    What GHSA-1111 is about\n" in said.out
    assert f"glibc {GLIBC} (libc6)  requirements/debian.lock:" in said.out
    assert "  CVE-2026-2  low, mended in 999-1\n" in said.out
    assert "GHSA-0000" not in said.out
    assert "advisories.json: 2 of PyPI, dated 2026-11-20\n" in said.out
    assert "findings: 2, accepted: 0; compared: " in said.out
    assert "warning" not in said.err


def test_nothing_affected_is_the_code_0_and_what_was_not_compared_is_said(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _audit(_write(place, [HARMLESS])) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith("findings: 0, accepted: 0; compared: ")
    assert "packages of PyPI with 1\n" in said.out
    assert "no place has advisories of Debian:13" in said.err
    assert "were not compared" in said.err


def test_what_is_accepted_passes_until_it_does_not(
    place: Path, nothing_accepted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(place, [AFFECTING])
    nothing_accepted.write_text("- {id: GHSA-1111, reason: not reached, until: 9999-12-31}\n")
    assert _audit(place) == 0
    assert "accepted: 1;" in capsys.readouterr().out
    nothing_accepted.write_text("- {id: GHSA-1111, reason: not reached, until: 2026-01-01}\n")
    assert _audit(place) == 1
    assert "GHSA-1111 was accepted until 2026-01-01" in capsys.readouterr().err


def test_a_zip_a_folder_and_an_address_say_the_same(place: Path, tmp_path: Path, site: Site) -> None:
    archive = tmp_path / "all.zip"
    archive.write_bytes(advisories.zipped([AFFECTING, HARMLESS]))
    folder = tmp_path / "advisories"
    (folder / "PyPI").mkdir(parents=True)
    _write(folder / "PyPI" / "GHSA-1111.json", AFFECTING)
    (folder / "README.md").write_text("# Advisories")
    site.files["/all.zip"] = archive.read_bytes()
    for named in (archive, folder, f"{site.address}/all.zip", _write(place, AFFECTING)):
        assert _audit(named) == 1


def test_places_may_be_named_by_the_environment(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(audit.VARIABLE, f"{_write(place, [HARMLESS])} {place.with_name('none.json')}")
    assert cli.run(["audit"]) == 65
    _write(place.with_name("none.json"), TRACKER)
    assert cli.run(["audit"]) == 1
    assert _audit(place) == 0  # the command line's come instead


def test_no_place_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["audit"]) == 2
    assert audit.VARIABLE in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "has no advisory of PyPI or Debian:13"),
        (json.dumps([advisories.osv("GHSA-1", "a", *until("1"), ecosystem="npm")]), "it tells of npm"),
        (json.dumps([advisories.osv("DSA-1", "a", *until("1"), ecosystem="Debian:12")]), "it tells of Debian:12"),
        (json.dumps({"glibc": {"CVE-1": advisories.debian("open", suite="bookworm")}}), "has no advisory"),
        (json.dumps([AFFECTING | {"affected": [{"package": {"name": "a", "ecosystem": None}}]}]), "it tells of None"),
        (json.dumps([AFFECTING | {"affected": [1]}]), "is not in the format"),
        (b"[" * 100_000, "is not in the format"),
        (b"{", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"{}", "it is neither an advisory in the OSV format nor"),
        (json.dumps([AFFECTING, {"name": "x"}]), "it is neither an advisory in the OSV format nor"),
        (json.dumps(AFFECTING | {"affected": [{"package": {"name": "jinja2"}}]}), "has no 'ecosystem'"),
        (json.dumps({"glibc": {"CVE-1": advisories.debian("fixed")}}), "has the status 'fixed'"),
        (advisories.zipped([AFFECTING])[:-30], "is no JSON"),
        (advisories.zipped([]), "has no advisory"),
    ],
)
def test_a_place_that_would_find_nothing_is_an_error(
    place: Path, capsys: pytest.CaptureFixture[str], content: str | bytes, message: str
) -> None:
    place.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert _audit(place) == 65
    said = capsys.readouterr()
    assert "advisories.json" in said.err
    assert message in said.err
    assert not said.out


def test_a_zip_with_a_broken_file_is_an_error(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(advisories.zipped([AFFECTING]))
    content[content.index(b"schema_version")] ^= 1
    place.write_bytes(content)
    assert _audit(place) == 65
    assert "is a broken zip" in capsys.readouterr().err


def test_all_problems_are_said_at_once(
    place: Path, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = f"http://user:secret@{site.address.removeprefix('http://')}/gone.json?sig=secret"
    assert _audit(gone, tmp_path / "absent", _write(place, [HARMLESS, {"a": 1}]), _write(tmp_path / "b", [])) == 65
    said = capsys.readouterr().err
    for part in ("gone.json: the server does not have it", "absent cannot be read", "advisories.json has 1 broken"):
        assert part in said
    assert "b has no advisory" in said
    assert "secret" not in said
    assert _audit(gone) == 69


def test_json_has_all_findings(place: Path, nothing_accepted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing_accepted.write_text("- {id: CVE-2026-1, reason: not reached, until: 9999-12-31}\n")
    assert _audit(_write(place, [AFFECTING, HARMLESS]), options="--json") == 0
    document = json.loads(capsys.readouterr().out)
    (finding,) = document["findings"]
    assert document["passes"] is True
    assert document["sources"][0]["advisories"] == {"PyPI": 2}
    assert document["compared"][1] == {"ecosystem": "Debian:13", "packages": len(locked.debian(ALL)), "advisories": 0}
    assert (finding["package"], finding["version"], finding["id"]) == ("jinja2", JINJA2, "CVE-2026-1")
    assert (finding["aliases"], finding["severity"], finding["mended_in"]) == (["GHSA-1111"], "high", LATER)
    assert finding["accepted"] == {"reason": "not reached", "until": "9999-12-31"}
    assert paths.IMAGE_LOCK.read_text().splitlines()[finding["line"] - 1].startswith("jinja2==")


def test_sarif_points_at_the_lock_and_suppresses_what_is_accepted(
    place: Path, nothing_accepted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing_accepted.write_text("- {id: CVE-2026-2, reason: not reached, until: 9999-12-31}\n")
    tracker = _write(place.with_name("tracker.json"), TRACKER)
    assert _audit(_write(place, [AFFECTING]), tracker, options="--sarif") == 1
    log = json.loads(capsys.readouterr().out)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    by_rule = {result["ruleId"]: result for result in run["results"]}
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == by_rule.keys() == {"CVE-2026-1", "CVE-2026-2"}
    one, other = by_rule["CVE-2026-1"], by_rule["CVE-2026-2"]
    assert (one["level"], other["level"]) == ("error", "note")
    assert one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "requirements/image.lock"
    assert "suppressions" not in one
    assert other["suppressions"] == [{"kind": "external", "justification": "not reached"}]


def test_one_platform_and_another_variant_may_be_meant(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(place, [advisories.osv("GHSA-1", "kubernetes", *until(LATER))])
    assert _audit(place, options="--platform linux/arm64") == 1
    assert _audit(place, options="--without eval=remote::trustyai_lmeval") == 0
    assert _audit(place, options="--platform linux/s390x") == 2
    assert _audit(place, options="--json --sarif") == 2
