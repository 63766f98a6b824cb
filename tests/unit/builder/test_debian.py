"""The Debian base: finding a mirror, trusting its index, fetching and unpacking packages."""

import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pysequoia
import pytest

from builder import download, paths
from builder.debian import debian_lock, fetch, index, mirrors, rootfs
from builder.debian.index import Package
from builder.debian.mirrors import Mirrors
from builder.errors import KitError, UnreachableError, UserFileError
from builder.image.entries import Kind
from tests.support.loopback_site import Site, serve


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as running:
        yield running


def _deb(name: str, files: dict[str, tuple[bytes, int]], links: dict[str, str] | None = None) -> bytes:
    """A `.deb` as dpkg-deb makes it: an ar archive of control.tar.xz and data.tar.xz."""
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: test\n"
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": _tar_xz({"./control": (control.encode(), 0o644)}, {}),
        "data.tar.xz": _tar_xz(files, links or {}),
    }
    archive = b"!<arch>\n"
    for member, content in parts.items():
        archive += f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        archive += content + b"\n" * (len(content) % 2)
    return archive


def _tar_xz(files: dict[str, tuple[bytes, int]], links: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for path, (content, mode) in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
        for path, target in links.items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return buffer.getvalue()


def _package(content: bytes, name: str = "dash", version: str = "1", path: str = "pool/main/d/dash_1.deb") -> Package:
    sha256 = hashlib.sha256(content).hexdigest()
    return Package("amd64", name, version, "debian", path, sha256, len(content), "20260101T000000Z")


class TestMirrors:
    """Where packages come from."""

    @pytest.fixture(autouse=True)
    def no_settings(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("DEBIAN_MIRROR", "DEBIAN_SECURITY_MIRROR", "DEBIAN_SNAPSHOT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(mirrors, "APT_SOURCES", tmp_path)
        (tmp_path / "sources.list.d").mkdir()

    def test_apts_deb822_sources_are_used(self, tmp_path: Path) -> None:
        (tmp_path / "sources.list.d" / "debian.sources").write_text(
            "Types: deb\nURIs: http://old.test/debian\nSuites: sid\nComponents: main\nEnabled: no\n\n"
            "Types: deb-src\nURIs: http://sources.test/debian\nSuites: sid\nComponents: main\n\n"
            "Types: deb\n# comment\nURIs: http://deb.test/debian/\nSuites: bookworm\nComponents: main\n\n"
            "Types: deb\nURIs: http://deb.test/debian-security\nSuites: bookworm-security\nComponents: main\n"
        )
        assert mirrors.find() == Mirrors(
            "http://deb.test/debian", "http://deb.test/debian-security", "http://snapshot.test/archive"
        )

    def test_apts_one_line_sources_are_used(self, tmp_path: Path) -> None:
        (tmp_path / "sources.list").write_text(
            "deb https://other.test/tool stable main\n"
            "deb [signed-by=/k.gpg arch=amd64] http://mirror.test/debian trixie main\n"
        )
        found = mirrors.find()
        assert (found.debian, found.security) == (
            "http://mirror.test/debian",
            "http://mirror.test/debian-security",
        )
        assert found.snapshot is None

    @pytest.mark.parametrize(
        "sources",
        [
            "deb https://repo.test/artifactory/debian-remote trixie main",
            "deb https://repo.test/artifactory/debian-remote bookworm main contrib\n"
            "deb https://repo.test/repository/other bookworm main",
            "deb [signed-by=/keys/corp.asc] https://repo.test/artifactory/debian-remote trixie main",
        ],
    )
    def test_a_mirror_of_any_name_is_found(self, tmp_path: Path, sources: str) -> None:
        (tmp_path / "sources.list").write_text(sources)
        found = mirrors.find()
        assert found.debian == "https://repo.test/artifactory/debian-remote"
        assert found.security == "https://repo.test/artifactory/debian-security-remote"

    def test_an_address_without_debian_in_it_is_found_by_its_suites(self, tmp_path: Path) -> None:
        (tmp_path / "sources.list").write_text(
            "deb https://repo.test/repository/apt-proxy trixie main\n"
            "deb https://repo.test/repository/apt-proxy trixie-updates main\n"
            "deb https://repo.test/repository/apt-security trixie-security main\n"
        )
        found = mirrors.find()
        assert found.debian == "https://repo.test/repository/apt-proxy"
        assert found.security == "https://repo.test/repository/apt-security"

    def test_what_others_publish_for_debian_is_no_mirror(self, tmp_path: Path) -> None:
        others = (
            "deb [signed-by=/keys/docker.asc] https://docker.test/linux/debian bookworm stable\n"
            "deb https://yarn.test/debian/ stable main\n"
            "deb https://postgresql.test/pub/repos/apt bookworm-pgdg main\n"
            "deb [arch=amd64 signed-by=/keys/vault.gpg] https://vault.test bookworm main\n"
            "deb [signed-by=/keys/raspberry.gpg] http://raspberry.test/debian bookworm main\n"
            "deb https://tool.test/apt stable main\n"
        )
        (tmp_path / "sources.list.d" / "others.list").write_text(others)
        (tmp_path / "sources.list.d" / "system.sources").write_text(
            "Types: deb\nURIs: http://mirror.test/pub/linux\nSuites: bookworm bookworm-updates\nComponents: main\n"
            "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        )
        assert mirrors.find().debian == "http://mirror.test/pub/linux"

    def test_a_system_that_is_not_debian_has_no_mirror(self, tmp_path: Path) -> None:
        (tmp_path / "sources.list").write_text(
            "deb http://archive.test/ubuntu noble main universe\n"
            "deb http://archive.test/ubuntu noble-security main universe\n"
            "deb [arch=amd64] https://browser.test/linux/deb/ stable main\n"
            "deb [signed-by=/keys/docker.asc] https://docker.test/linux/ubuntu noble stable\n"
        )
        with pytest.raises(UnreachableError, match="no Debian apt sources"):
            mirrors.find()

    def test_a_list_of_mirrors_is_read_as_in_cloud_images(self, tmp_path: Path) -> None:
        (tmp_path / "mirrors.list").write_text("# by region\nhttps://cloud.test/debian\tpriority:1\n")
        (tmp_path / "sources.list.d" / "debian.sources").write_text(
            f"Types: deb deb-src\nURIs: mirror+file://{tmp_path}/mirrors.list\nSuites: trixie trixie-updates\n"
            "Components: main\n"
        )
        assert mirrors.find().debian == "https://cloud.test/debian"

    def test_who_names_a_mirror_gets_security_updates_from_it_too(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "sources.list").write_text(
            "deb http://apt.test/debian trixie main\ndeb http://apt.test/debian-security trixie-security main\n"
        )
        assert mirrors.find().security == "http://apt.test/debian-security"
        monkeypatch.setenv("DEBIAN_MIRROR", "http://named.test/debian")
        assert mirrors.find().security == "http://named.test/debian-security"
        assert mirrors.find("http://line.test/debian-remote/").security == "http://line.test/debian-security-remote"

    def test_a_snapshot_may_be_the_mirror(self) -> None:
        found = mirrors.find("http://snapshot.test/archive/debian/20260101T000000Z/")
        assert found.security == "http://snapshot.test/archive/debian-security/20260101T000000Z"
        assert found.snapshot == "http://snapshot.test/archive"

    def test_the_command_line_and_the_environment_come_first(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "sources.list").write_text("deb http://apt.test/debian trixie main\n")
        monkeypatch.setenv("DEBIAN_MIRROR", "http://environment.test/debian/")
        monkeypatch.setenv("DEBIAN_SECURITY_MIRROR", "http://environment.test/security")
        assert mirrors.find().debian == "http://environment.test/debian"
        assert mirrors.find("http://line.test/debian").debian == "http://line.test/debian"
        assert mirrors.find().root("debian-security") == "http://environment.test/security"

    def test_without_any_the_user_is_told_what_to_set(self) -> None:
        with pytest.raises(UnreachableError) as caught:
            mirrors.find()
        assert "DEBIAN_MIRROR" in caught.value.advice
        assert caught.value.exit_code == 69


EXPIRED = {"Valid-Until": "Sat, 19 Sep 2020 07:55:41 UTC"}


class TestIndex:
    """Versions are believed only from a signed index."""

    @pytest.fixture
    def publish(self, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
        key = pysequoia.Tsk.generate("Test Archive <archive@example.test>")
        keys = tmp_path / "keys.gpg"
        keys.write_bytes(bytes(key.extract_certificate()))
        monkeypatch.setattr(paths, "DEBIAN_KEYS", keys)

        def publish(
            packages: dict[str, str],
            *,
            tamper: bool = False,
            signer: pysequoia.Tsk = key,
            fields: dict[str, str] | None = None,
            time: str = "",
        ) -> None:
            for archive, distribution in index.INDEXES:
                version = packages.get(distribution)
                text = f"Package: dash\nVersion: {version}\nFilename: pool/d.deb\nSHA256: {'0' * 64}\nSize: 5\n\n"
                listing = lzma.compress(("Package: other\nVersion: 9\n\n" + (text if version else "")).encode())
                name = "main/binary-amd64/Packages.xz"
                named = {"Codename": distribution, "Date": "Sat, 12 Sep 2026 07:55:41 UTC"} | (fields or {})
                release = (
                    "".join(f"{field}: {value}\n" for field, value in named.items()) + "SHA256:\n"
                    f" {hashlib.sha256(listing).hexdigest()} {len(listing)} {name}\n"
                )
                signed = pysequoia.sign(signer.signer(), release.encode(), mode=pysequoia.SignatureMode.CLEAR)
                root = f"/{archive}{time}/dists/{distribution}"
                site.files[f"{root}/InRelease"] = signed
                site.files[f"{root}/{name}"] = listing + b"\0" if tamper else listing

        return publish

    def _current(self, site: Site, time: str = "") -> list[Package]:
        where = Mirrors(f"{site.address}/debian{time}", f"{site.address}/debian-security{time}", None)
        return index.current(download.session(), where, ["dash"], "amd64")

    def test_the_newest_of_all_indexes_wins(self, site: Site, publish: Callable[..., None]) -> None:
        publish({"trixie": "1.9-1", "trixie-security": "1.10-1", "trixie-updates": "1.9-2"})
        (found,) = self._current(site)
        assert (found.version, found.archive) == ("1.10-1", "debian-security")
        assert found.snapshot == "20260912T075541Z"

    def test_a_package_that_is_nowhere_is_named(self, site: Site, publish: Callable[..., None]) -> None:
        publish({})
        with pytest.raises(KitError, match="no package dash for amd64"):
            self._current(site)

    def test_a_foreign_signature_is_refused(self, site: Site, publish: Callable[..., None]) -> None:
        publish({"trixie": "1"}, signer=pysequoia.Tsk.generate("Mallory <mallory@example.test>"))
        with pytest.raises(KitError, match="not signed by Debian's archive keys"):
            self._current(site)

    def test_a_changed_text_is_refused(self, site: Site, publish: Callable[..., None]) -> None:
        publish({"trixie": "1"})
        path = "/debian/dists/trixie/InRelease"
        site.files[path] = site.files[path].replace(b"12 Sep", b"13 Sep")
        with pytest.raises(KitError, match="not signed by Debian's archive keys"):
            self._current(site)

    def test_a_listing_that_is_not_the_signed_one_is_refused(self, site: Site, publish: Callable[..., None]) -> None:
        publish({"trixie": "1"}, tamper=True)
        with pytest.raises(KitError, match=r"expected sha256 .*\n.*received sha256"):
            self._current(site)

    def test_an_index_that_has_expired_is_refused(self, site: Site, publish: Callable[..., None]) -> None:
        publish({"trixie": "1"}, fields=EXPIRED)
        with pytest.raises(KitError, match=r"/debian/dists/trixie/InRelease has expired: .*19 Sep 2020") as caught:
            self._current(site)
        assert caught.value.exit_code == 1

    def test_an_index_that_still_holds_is_accepted(self, site: Site, publish: Callable[..., None]) -> None:
        publish({"trixie": "1"}, fields={"Valid-Until": "Sat, 19 Sep 2099 07:55:41 UTC"})
        assert self._current(site)[0].version == "1"

    def test_a_snapshot_whose_address_says_of_when_it_is_may_have_expired(
        self, site: Site, publish: Callable[..., None]
    ) -> None:
        publish({"trixie": "1"}, fields=EXPIRED, time="/20200912T080000Z")
        assert self._current(site, "/20200912T080000Z")[0].version == "1"

    def test_the_index_of_another_suite_is_refused(self, site: Site, publish: Callable[..., None]) -> None:
        publish({"trixie": "1"}, fields={"Codename": "bookworm"})
        with pytest.raises(KitError, match="is the index of bookworm and not of trixie"):
            self._current(site)

    def test_a_mirror_without_security_updates_is_told_apart(self, site: Site, publish: Callable[..., None]) -> None:
        publish({"trixie": "1"})
        del site.files["/debian-security/dists/trixie-security/InRelease"]
        with pytest.raises(UnreachableError) as caught:
            self._current(site)
        assert "DEBIAN_SECURITY_MIRROR" in caught.value.advice

    def test_no_message_shows_a_password_of_an_address(self, site: Site, publish: Callable[..., None]) -> None:
        publish({"trixie": "1"}, fields={"Codename": "bookworm"})
        address = site.address.replace("http://", "http://robot:secret@") + "/debian"
        for archive in (address, address + "-of-nobody"):
            with pytest.raises(KitError) as caught:
                index.current(download.session(), Mirrors(archive, archive, None), ["dash"], "amd64")
            assert "secret" not in caught.value.message


class TestFetch:
    """Locked files, wherever they still are."""

    CONTENT = _deb("dash", {})

    def _mirrors(self, site: Site, *, snapshot: bool = True) -> Mirrors:
        return Mirrors(
            f"{site.address}/debian", f"{site.address}/security", f"{site.address}/old" if snapshot else None
        )

    def _fetch(self, site: Site, package: Package, *, substitutes: bool = True) -> list[fetch.Fetched]:
        return fetch.fetch(self._mirrors(site), [package], allow_substitutes=substitutes)

    def test_a_file_is_fetched_once(self, site: Site) -> None:
        package = _package(self.CONTENT)
        site.files[f"/debian/{package.path}"] = self.CONTENT
        assert self._fetch(site, package)[0].content == self.CONTENT
        assert self._fetch(site, package)[0].content == self.CONTENT
        assert site.requests == [f"/debian/{package.path}"]

    def test_a_tampered_file_is_named_with_both_hashes(self, site: Site) -> None:
        package = _package(self.CONTENT)
        site.files[f"/debian/{package.path}"] = self.CONTENT + b"x"
        with pytest.raises(KitError) as caught:
            self._fetch(site, package)
        assert package.path in caught.value.message
        assert package.sha256 in caught.value.message
        assert hashlib.sha256(self.CONTENT + b"x").hexdigest() in caught.value.message
        assert not any(path.is_file() for path in paths.DOWNLOADS.rglob("*"))

    def test_a_damaged_cache_is_fetched_again(self, site: Site) -> None:
        package = _package(self.CONTENT)
        site.files[f"/debian/{package.path}"] = self.CONTENT
        self._fetch(site, package)
        (paths.DOWNLOADS / package.sha256).write_bytes(b"damaged")
        assert self._fetch(site, package)[0].content == self.CONTENT

    def test_what_the_mirror_dropped_comes_from_the_snapshot_archive(self, site: Site) -> None:
        package = _package(self.CONTENT)
        site.files[f"/old/debian/20260101T000000Z/{package.path}"] = self.CONTENT
        (found,) = self._fetch(site, package, substitutes=False)
        assert found.content == self.CONTENT
        assert found.locked is None

    def test_what_nobody_has_is_replaced_and_said(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        newer = _package(_deb("dash", {"./bin/new": (b"", 0o755)}), version="2", path="pool/new.deb")
        site.files["/debian/pool/new.deb"] = _deb("dash", {"./bin/new": (b"", 0o755)})
        monkeypatch.setattr(index, "current", lambda *_: [newer])
        locked = _package(self.CONTENT)
        (found,) = self._fetch(site, locked)
        assert (found.package, found.locked) == (newer, locked)

    def test_locked_forbids_another_version(self, site: Site) -> None:
        with pytest.raises(
            UnreachableError, match="/debian nor a snapshot archive has dash 1, and --locked forbids"
        ) as caught:
            self._fetch(site, _package(self.CONTENT), substitutes=False)
        assert "build.py lock" in caught.value.advice

    def test_a_mirror_that_is_down_is_unreachable_not_gone(self, site: Site) -> None:
        package = _package(self.CONTENT)
        site.status[f"/debian/{package.path}"] = 403
        with pytest.raises(UnreachableError, match="403"):
            self._fetch(site, package)
        nobody = Mirrors("http://127.0.0.1:9/debian", "http://127.0.0.1:9/s", None)
        with pytest.raises(UnreachableError, match="refused"):
            fetch.fetch(nobody, [package], allow_substitutes=True)


class TestLock:
    """requirements/debian.lock."""

    def test_the_repos_lock_holds_every_named_package_for_both_processors(self) -> None:
        names = debian_lock.package_names(paths.DEBIAN_INPUTS)
        for architecture in ("amd64", "arm64"):
            packages = debian_lock.load(architecture)
            assert [package.name for package in packages] == names
            assert all(package.path.startswith("pool/") for package in packages)
        assert "://" not in paths.DEBIAN_LOCK.read_text()

    def test_a_changed_list_of_names_makes_it_stale(self, tmp_path: Path) -> None:
        names = tmp_path / "debian.in"
        names.write_text("dash\n")
        with pytest.raises(UserFileError, match="older than"):
            debian_lock.load("amd64", names=names)

    def test_a_broken_line_is_named(self, tmp_path: Path) -> None:
        broken = tmp_path / "debian.lock"
        lines = paths.DEBIAN_LOCK.read_text().splitlines()
        broken.write_text("\n".join([*lines[:4], "amd64 dash 1", *lines[4:]]))
        with pytest.raises(UserFileError, match=r"debian.lock:5: expected architecture name"):
            debian_lock.load("amd64", lock=broken)


class TestRootFileSystem:
    """Unpacked packages, and what their scripts would have done."""

    def test_files_keep_their_modes_and_go_where_the_merged_usr_is(self) -> None:
        package = _deb(
            "tool",
            {
                "./bin/tool": (b"#!", 0o4755),
                "./usr/share/doc/tool/copyright": (b"free", 0o644),
                "./usr/share/doc/tool/changelog.gz": (b"long", 0o644),
                "./usr/share/man/man1/tool.1.gz": (b"long", 0o644),
            },
            {
                "./usr/lib/libtool.so": "libtool.so.1",
                "./usr/share/doc/libtool": "tool",
                "./usr/share/doc/tool/NEWS.gz": "changelog.gz",
            },
        )
        found = {entry.path: entry for entry in rootfs.root_entries([package])}
        assert (found["usr/bin/tool"].content, found["usr/bin/tool"].mode) == (b"#!", 0o755)
        assert found["usr/lib/libtool.so"].target == "libtool.so.1"
        assert "usr/share/doc/tool/copyright" in found
        assert found["usr/share/doc/libtool"].target == "tool", "the licence of a package may be in another's folder"
        assert "usr/share/doc/tool/changelog.gz" not in found
        assert "usr/share/doc/tool/NEWS.gz" not in found
        assert "usr/share/man/man1/tool.1.gz" not in found
        assert b"Package: tool" in bytes(found["var/lib/dpkg/status.d/tool"].content)

    def test_the_certificates_become_one_bundle(self) -> None:
        package = _deb(
            "ca-certificates",
            {
                "./usr/share/ca-certificates/mozilla/B.crt": (b"bbb\n", 0o644),
                "./usr/share/ca-certificates/mozilla/A.crt": (b"aaa\n", 0o644),
            },
        )
        found = {entry.path: entry for entry in rootfs.root_entries([package])}
        assert found["etc/ssl/certs/ca-certificates.crt"].content == b"aaa\nbbb\n"
        assert found["usr/lib/ssl/cert.pem"].target == "/etc/ssl/certs/ca-certificates.crt"

    def test_programs_people_expect_are_linked_and_a_real_one_wins(self) -> None:
        package = _deb("coreutils", {"./usr/bin/ls": (b"real", 0o755)})
        found = {entry.path: entry for entry in rootfs.root_entries([package])}
        assert found["usr/bin/ls"].kind is Kind.FILE
        assert (found["usr/bin/sh"].target, found["usr/bin/python"].target) == ("dash", "python3")
        assert found["tmp"].mode == 0o1777
        assert b":1001:0:" in bytes(found["etc/passwd"].content)

    def test_parents_come_before_what_they_hold(self) -> None:
        paths_in_order = [entry.path for entry in rootfs.root_entries([])]
        assert paths_in_order == sorted(paths_in_order)
        folders = {entry.path for entry in rootfs.root_entries([]) if entry.kind is Kind.DIRECTORY}
        assert {"usr/local", "usr/local/bin", rootfs.SITE_PACKAGES} <= folders
