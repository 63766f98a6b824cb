"""What advisories say of locked packages, and how claims become findings."""

import datetime
from collections import Counter
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest

from builder import paths, platforms
from builder.advisories import accepted, debian_tracker, findings, locked, osv
from builder.advisories.claim import Claim, Packages
from builder.advisories.findings import Finding
from builder.advisories.locked import DEBIAN, PYPI, Package
from builder.debian import debian_lock
from builder.errors import UserFileError
from builder.image_lock import Lock
from tests.support import advisories
from tests.support.advisories import affected, until

LOCK = Path("requirements/image.lock")


def _package(name: str, version: str, ecosystem: str = PYPI) -> Package:
    return Package(ecosystem, name, version, LOCK, 1)


def _packages(*packages: Package) -> Packages:
    return {(package.ecosystem, package.name): [package] for package in packages}


def _claims(record: dict[str, Any], *packages: Package) -> list[Claim]:
    return list(osv.claims(record, _packages(*packages)))


INTRODUCED_TWICE = ({"introduced": "2.0"}, {"fixed": "2.3"}, {"introduced": "0"}, {"fixed": "1.5"})


@pytest.mark.parametrize(
    ("version", "events", "mended_in"),
    [
        ("1.0", until("1.5"), "1.5"),
        ("1.5", until("1.5"), None),
        ("1.5rc1", until("1.5"), "1.5"),
        ("1.10", until("1.9"), None),
        ("1.4+cpu", until("1.5"), "1.5"),
        ("1.5+cpu", until("1.5"), None),
        ("1.2", INTRODUCED_TWICE, "1.5"),
        ("1.7", INTRODUCED_TWICE, None),
        ("2.1", INTRODUCED_TWICE, "2.3"),
        ("2.3", INTRODUCED_TWICE, None),
        ("0.9", ({"introduced": "1.0"}, {"fixed": "1.5"}), None),
        ("0.0.dev1", until("1.5"), "1.5"),
    ],
)
def test_a_version_is_affected_within_a_range(version: str, events: Any, mended_in: str | None) -> None:
    found = _claims(advisories.osv("GHSA-1", "Demo", *events), _package("demo", version))
    assert [claim.mended_in for claim in found] == ([mended_in] if mended_in else [])


@pytest.mark.parametrize(("version", "is_affected"), [("1.4", True), ("1.5", True), ("1.5.1", False), ("1.0", False)])
def test_a_range_may_end_with_the_last_version_that_is_affected(version: str, is_affected: bool) -> None:
    record = advisories.osv("GHSA-1", "demo", {"introduced": "1.1"}, {"last_affected": "1.5"})
    assert [claim.mended_in for claim in _claims(record, _package("demo", version))] == [None] * is_affected


@pytest.mark.parametrize(
    ("version", "is_affected"), [("1.0", True), ("1.0.0", True), ("1.1", False), ("1.0+cpu", True)]
)
def test_versions_may_be_listed(version: str, is_affected: bool) -> None:
    entry = affected("demo", ranges=[], versions=["2004d", "1.0"])
    found = _claims(advisories.osv("PYSEC-1", "", affected=[entry]), _package("demo", version))
    assert len(found) == is_affected


def test_a_range_that_cannot_be_read_is_left_to_the_list_of_versions() -> None:
    events = ({"introduced": "0"}, {"fixed": "2004d"})
    listed = advisories.osv("PYSEC-1", "", affected=[affected("demo", *events, versions=["0.9"])])
    assert not _claims(listed, _package("demo", "1.0"))
    alone = advisories.osv("PYSEC-1", "demo", *events)
    assert [claim.mended_in for claim in _claims(alone, _package("demo", "1.0"))] == [None]


def test_commits_say_nothing_of_versions() -> None:
    commits = {"type": "GIT", "repo": "https://git.test/demo", "events": [{"introduced": "0"}, {"fixed": "abcdef0"}]}
    entry = affected("demo", *until("1.5"))
    entry["ranges"].insert(0, commits)
    both = advisories.osv("PYSEC-1", "", affected=[{"ranges": [commits]}, entry])
    assert [claim.mended_in for claim in _claims(both, _package("demo", "1.4"))] == ["1.5"]
    assert not _claims(both, _package("demo", "1.6"))


def test_one_record_with_several_entries_is_one_claim() -> None:
    entries = [affected("demo", {"introduced": at}, {"fixed": fixed}) for at, fixed in (("1", "1.5"), ("1.2", "1.6"))]
    (claim,) = _claims(advisories.osv("GHSA-1", "", affected=entries), _package("demo", "1.3"))
    assert claim.names == {"GHSA-1"}


def test_what_was_withdrawn_or_is_about_others_counts_for_nothing() -> None:
    package = _package("demo", "1.0")
    assert not _claims(advisories.osv("GHSA-1", "demo", *until("2"), withdrawn="2026-11-02T00:00:00Z"), package)
    assert not _claims(advisories.osv("GHSA-1", "other", *until("2")), package)
    assert not _claims(advisories.osv("GHSA-1", "demo", *until("2"), ecosystem="npm"), package)


@pytest.mark.parametrize(
    ("more", "severity", "vector"),
    [
        ({"database_specific": {"severity": "MODERATE"}}, "medium", ""),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}]}, "", "CVSS:3.1/AV:N"),
        ({"severity": [{"type": "Ubuntu", "score": "high"}]}, "", ""),
        ({"database_specific": None}, "", ""),
    ],
)
def test_severity_is_what_the_record_says(more: dict[str, Any], severity: str, vector: str) -> None:
    (claim,) = _claims(advisories.osv("GHSA-1", "demo", *until("2"), **more), _package("demo", "1"))
    assert (claim.severity, claim.vector) == (severity, vector)


def test_a_record_without_a_summary_has_the_first_line_of_its_details() -> None:
    record = advisories.osv("PYSEC-1", "demo", *until("2"), details="First.\nSecond.")
    del record["summary"]
    (claim,) = _claims(record, _package("demo", "1"))
    assert claim.summary == "First."


class TestDebianAsOsvHasIt:
    """Source packages, Debian's versions, one release."""

    PACKAGE = _package("zlib", "1:1.3.dfsg-1+deb13u1", DEBIAN)

    @pytest.mark.parametrize(
        ("fixed", "is_affected"), [("1:1.3.dfsg-1+deb13u2", True), ("1:1.3.dfsg-1", False), ("2", False), ("2:0", True)]
    )
    def test_versions_are_compared_as_dpkg_does(self, fixed: str, is_affected: bool) -> None:
        record = advisories.osv("DEBIAN-CVE-1", "zlib", *until(fixed), ecosystem=DEBIAN, upstream=["CVE-1"])
        assert [claim.names for claim in _claims(record, self.PACKAGE)] == [{"DEBIAN-CVE-1", "CVE-1"}] * is_affected

    def test_another_release_is_another_ecosystem(self) -> None:
        assert not _claims(advisories.osv("DSA-1", "zlib", *until("9:9"), ecosystem="Debian:12"), self.PACKAGE)

    def test_what_debian_calls_unimportant_is_no_flaw(self) -> None:
        entry = affected("zlib", *until("9:9"), ecosystem=DEBIAN, ecosystem_specific={"urgency": "unimportant"})
        assert not _claims(advisories.osv("DEBIAN-CVE-1", "", affected=[entry]), self.PACKAGE)


class TestDebiansTracker:
    """Status, fixed version and urgency decide."""

    PACKAGE = _package("zlib", "1:1.3-1", DEBIAN)

    def _claims(self, **flaws: dict[str, Any]) -> tuple[list[Claim], Counter[str]]:
        set_aside: Counter[str] = Counter()
        document = {"zlib": flaws, "other": {"CVE-9": advisories.debian("open")}}
        assert debian_tracker.is_tracker(document)
        return list(debian_tracker.claims(document, _packages(self.PACKAGE), set_aside)), set_aside

    @pytest.mark.parametrize(
        ("flaw", "mended_in"),
        [
            (advisories.debian("open"), [None]),
            (advisories.debian("resolved", "1:1.3-2"), ["1:1.3-2"]),
            (advisories.debian("resolved", "1:1.3-1"), []),
            (advisories.debian("resolved", "0"), []),
            (advisories.debian("open", suite="bookworm"), []),
        ],
    )
    def test_what_is_open_or_resolved_later_affects(self, flaw: dict[str, Any], mended_in: list[str | None]) -> None:
        found, set_aside = self._claims(flaw=flaw)
        assert [claim.mended_in for claim in found] == mended_in
        assert not set_aside

    def test_what_is_no_flaw_to_debian_is_counted(self) -> None:
        flaws = {
            "CVE-1": advisories.debian("open", urgency="unimportant"),
            "CVE-2": advisories.debian("undetermined"),
            "CVE-3": advisories.debian("resolved", "1:1.3-1", urgency="unimportant"),
        }
        found, set_aside = self._claims(**flaws)
        assert not found
        assert set_aside == {"unimportant": 1, "undetermined": 1}

    def test_urgency_and_what_debian_decided_are_said(self) -> None:
        (claim,), _ = self._claims(flaw=advisories.debian("open", urgency="low**", nodsa="Minor issue"))
        assert claim.severity == "low"
        assert claim.summary == "A flaw. (Debian: Minor issue)"

    def test_an_unknown_status_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="CVE-1 of zlib has the status 'fixed'"):
            self._claims(**{"CVE-1": advisories.debian("fixed")})


class TestFindings:
    """Several advisories on one flaw are one finding."""

    def _merged(self, *records: dict[str, Any], package: Package | None = None) -> list[Finding]:
        packages = _packages(package or _package("demo", "1.0"))
        return findings.merge(claim for record in records for claim in osv.claims(record, packages))

    def test_names_are_followed_through_all_advisories(self) -> None:
        (finding,) = self._merged(
            advisories.osv("PYSEC-1", "demo", *until("2.0"), aliases=["CVE-1"]),
            advisories.osv("GHSA-9", "demo", *until("3.0"), aliases=["CVE-2"]),
            advisories.osv("GHSA-1", "demo", {"introduced": "0"}, aliases=["CVE-1", "GHSA-9"]),
        )
        assert (finding.id, finding.aliases) == ("CVE-1", ("CVE-2", "GHSA-1", "GHSA-9", "PYSEC-1"))
        assert finding.mended_in == "3.0"

    def test_of_several_severities_the_worst_counts(self) -> None:
        rated = [
            advisories.osv(f"GHSA-{word}", "demo", *until("2"), aliases=["CVE-1"], database_specific={"severity": word})
            for word in ("LOW", "CRITICAL", "HIGH")
        ]
        assert [finding.severity for finding in self._merged(*rated)] == ["critical"]

    def test_other_flaws_and_other_packages_stay_apart_worst_first(self) -> None:
        low = advisories.osv("GHSA-1", "demo", *until("2"), database_specific={"severity": "LOW"})
        high = advisories.osv("GHSA-2", "demo", *until("2"), database_specific={"severity": "HIGH"})
        unrated = advisories.osv("GHSA-0", "demo", *until("2"))
        assert [finding.id for finding in self._merged(unrated, low, high)] == ["GHSA-2", "GHSA-1", "GHSA-0"]

    def test_an_advisory_that_sums_up_others_is_said_only_where_one_of_them_is_not(self) -> None:
        package = _package("zlib", "1", DEBIAN)
        ones = [
            advisories.osv(f"DEBIAN-CVE-{n}", "zlib", *until("2"), ecosystem=DEBIAN, upstream=[f"CVE-{n}"])
            for n in (1, 2)
        ]
        both = advisories.osv("DSA-1", "zlib", *until("2"), ecosystem=DEBIAN, upstream=["CVE-1", "CVE-2"])
        assert [finding.id for finding in self._merged(both, *ones, package=package)] == ["CVE-1", "CVE-2"]
        assert [finding.id for finding in self._merged(both, ones[0], package=package)] == ["CVE-1", "DSA-1"]


class TestAccepted:
    """requirements/accepted-advisories.yaml."""

    TODAY = datetime.date(2026, 11, 26)

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "accepted.yaml"

    def _accept(self, file: Path, text: str, *names: str) -> tuple[list[bool], list[str]]:
        file.write_text(text)
        claims = [advisories.osv(name, "demo", *until("2"), aliases=[f"CVE-{name}"]) for name in names]
        packages = _packages(_package("demo", "1"))
        found = findings.merge(claim for record in claims for claim in osv.claims(record, packages))
        looked_at, remarks = findings.accept(found, accepted.load(file), self.TODAY)
        return [finding.accepted is not None for finding in looked_at], remarks

    @pytest.mark.parametrize("name", ["GHSA-1", "CVE-GHSA-1"])
    def test_any_name_of_a_flaw_will_do_until_the_day_ends(self, file: Path, name: str) -> None:
        entry = f"- {{id: {name}, reason: not read, until: 2026-11-26}}\n"
        assert self._accept(file, entry, "GHSA-1", "GHSA-2") == ([True, False], [])

    def test_an_entry_that_is_over_accepts_nothing_and_is_said(self, file: Path) -> None:
        held, (remark,) = self._accept(file, "- {id: GHSA-1, reason: not read, until: 2026-11-25}\n", "GHSA-1")
        assert held == [False]
        assert remark.startswith("line 1: GHSA-1 was accepted until 2026-11-25")

    def test_an_entry_that_accepts_nothing_is_said(self, file: Path) -> None:
        _, (remark,) = self._accept(file, "- {id: GHSA-7, reason: not read, until: 2027-01-01}\n", "GHSA-1")
        assert remark.startswith("line 1: GHSA-7 is no finding")

    def test_every_entry_that_is_wrong_is_named(self, file: Path) -> None:
        file.write_text(
            "- {id: A, reason: r, until: 2027-01-01}\n"
            "- {id: B, reasn: r, until: 2027-01-01}\n"
            "- {id: C, until: 2027-01-01}\n"
            "- {id: D, reason: r, until: soon}\n"
            "- {id: A, reason: r, until: 2027-01-01}\n"
            "- E\n"
        )
        with pytest.raises(UserFileError) as raised:
            accepted.load(file)
        lines = raised.value.message.splitlines()
        assert [line.partition(str(file))[2] for line in lines] == [
            ":2: an entry has no reasn; did you mean reason?",
            ":3: reason is missing",
            ":4: until: soon is no day such as 2026-12-31",
            ":5: A is in line 1 already",
            ":6: expected id, reason and until",
        ]

    @pytest.mark.parametrize("text", ["id: A\n", "- {id: A\n"])
    def test_what_is_no_list_is_an_error(self, file: Path, text: str) -> None:
        file.write_text(text)
        with pytest.raises(UserFileError):
            accepted.load(file)

    def test_none_is_accepted_without_a_file_and_the_repos_own_can_be_read(self, file: Path) -> None:
        assert accepted.load(file) == []
        accepted.load(paths.ACCEPTED_ADVISORIES)


class TestLocked:
    """What is locked, as advisories count it."""

    def test_what_other_systems_and_pythons_need_is_not_in_the_image(self) -> None:
        text = (
            "# comment\n"
            "a[x]==1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n    # via demo\n"
            "B_c==2.0+cpu ; python_full_version < '3.13' \\\n    --hash=sha256:11\n"
            "d==3 ; python_full_version >= '3.14' \\\n    --hash=sha256:22\n"
            "e==4 ; platform_machine == 'aarch64' \\\n    --hash=sha256:33\n"
        )
        lock = Lock(LOCK, text)
        both = [(package.name, package.version, package.line) for package in locked.wheels(lock, platforms.ALL)]
        assert both == [("b-c", "2.0+cpu", 5), ("e", "4", 9)]
        assert [package.name for package in locked.wheels(lock, [platforms.AMD64])] == ["b-c"]

    def test_the_repos_wheels_are_all_there_but_windows_own(self) -> None:
        lock = Lock(paths.IMAGE_LOCK, paths.IMAGE_LOCK.read_text())
        names = {package.name: package.version for package in locked.wheels(lock, platforms.ALL)}
        assert names.items() < lock.versions.items()
        assert {"llama-stack", "starlette", "pyjwt"} < names.keys()
        assert "pywin32" not in names

    def test_debian_packages_are_their_sources(self) -> None:
        found = {package.name: package for package in locked.debian(platforms.ALL)}
        assert found["glibc"].parts == ("libc6",)
        assert found["python3.13"].parts[0] == "libpython3.13-minimal"
        lines = paths.DEBIAN_LOCK.read_text().splitlines()
        assert " libc6 " in lines[found["glibc"].line - 1]

    def test_what_debian_built_again_is_the_same_source(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        known = {package.name: package for package in debian_lock.load("amd64")}
        rebuilt = [
            replace(known["busybox"], version="1:1.37.0-6+b9"),
            replace(known["busybox"], version="1:1.37.0-6+b2", architecture="arm64"),
            replace(known["libc6"], version="2.41-12+deb13u4"),
        ]
        names = "\n".join(line for line in paths.DEBIAN_LOCK.read_text().splitlines() if line.startswith("# inputs"))
        lines = [" ".join(str(value) for value in astuple(package)) for package in rebuilt]
        (tmp_path / "debian.lock").write_text("\n".join([names, *lines]))
        monkeypatch.setattr(paths, "DEBIAN_LOCK", tmp_path / "debian.lock")
        found = [(package.name, package.version, package.parts) for package in locked.debian(platforms.ALL)]
        assert found == [
            ("busybox", "1:1.37.0-6", ("busybox",)),
            ("glibc", "2.41-12+deb13u4", ("libc6",)),
        ]
