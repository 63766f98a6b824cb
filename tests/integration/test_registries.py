"""Pushing to real registries: who may, what is sent, what a break costs, and how each refusal reads."""

import base64
import json
import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builder import cli, paths, platforms, verification
from builder.image.written import WrittenImage
from builder.verification import ImageVerdict
from tests.support import forwarder, http_server, oras, process, registry, small_image, token_issuer
from tests.support.registry import Registry

NAME, PASSWORD = "robot", "correct horse"
MEGABYTE = 1_000_000

Push = Callable[..., tuple[int, str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of this machine, and notes of the test's own."""
    for name in ("REGISTRY_USERNAME", "REGISTRY_PASSWORD", "REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(paths, "REGISTRIES", tmp_path / "registries")
    monkeypatch.setattr(paths, "VERDICTS", tmp_path / "verdicts")


@pytest.fixture(autouse=True)
def _quiet_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process import llama-stack, which logs all that libraries say to standard output."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])


@pytest.fixture
def push(capsys: pytest.CaptureFixture[str]) -> Push:
    """Pushes an archive by the command line; returns the exit code, what was said, and the JSON."""

    def run(tag: str, image: WrittenImage, *options: str) -> tuple[int, str, dict[str, Any]]:
        line = ["push", "--tag", tag, "--archive", str(image.path), "--no-verify", "--json", *options]
        code = cli.run(line)
        done = capsys.readouterr()
        return code, done.err, json.loads(done.out) if done.out else {}

    return run


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Registry]:
    """A registry with TLS and one account."""
    with registry.serve(tls=True, accounts={NAME: PASSWORD}) as served:
        yield served


@pytest.fixture(scope="module")
def oras_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oras program."""
    return oras.fetch(tmp_path_factory.mktemp("oras"))


def _small(folder: Path, **options: Any) -> WrittenImage:
    return small_image.write(folder, "demo:1", layers={"base": MEGABYTE, "wheels": 2 * MEGABYTE}, **options)


def _log_in(home: Path, key: str, password: str = PASSWORD, **more: str) -> Path:
    """Write what `podman login` would write."""
    secret = base64.b64encode(f"{NAME}:{password}".encode()).decode()
    file = home / ".config/containers/auth.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"auths": {key: {"auth": secret, **more}}}))
    return file


def _digest(reference: str, *options: str) -> str:
    """The digest by which somebody else sees an image."""
    command = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", *options, f"docker://{reference}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_what_goes_in_comes_out(push: Push, registry: Registry, tmp_path: Path) -> None:
    image = _small(tmp_path)
    tag = f"{registry.address}/team/demo:1"
    code, said, result = push(tag, image, "--plain-http")
    assert code == 0, said
    assert result["digest"] == image.digest == _digest(tag)
    assert {blob["how"] for blob in result["blobs"]} == {"sent"}
    subprocess.run(
        ["skopeo", "copy", "--src-tls-verify=false", f"docker://{tag}", f"oci:{tmp_path}/back:1"], check=True
    )
    back = {path.name for path in (tmp_path / "back/blobs/sha256").iterdir()}
    assert {blob.digest.partition(":")[2] for blob in image.blobs()} <= back


def test_an_index_of_two_platforms_arrives_whole(
    push: Push, registry: Registry, oras_client: Path, tmp_path: Path
) -> None:
    image = _small(tmp_path, built_for=(platforms.AMD64, platforms.ARM64))
    tag = f"{registry.address}/team/both:1"
    code, said, _ = push(tag, image, "--plain-http")
    assert code == 0, said
    raw = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{tag}"], capture_output=True, check=True
    )
    assert raw.stdout == image.read(image.digest)
    for architecture in ("amd64", "arm64"):
        _digest(tag, "--override-arch", architecture)
    copied = f"{tmp_path}/copied:1"
    subprocess.run([oras_client, "copy", "--from-plain-http", tag, "--to-oci-layout", copied], check=True)
    described = subprocess.check_output([oras_client, "manifest", "fetch", "--descriptor", "--oci-layout", copied])
    assert json.loads(described)["digest"] == image.digest


def test_only_what_changed_is_sent(push: Push, registry: Registry, tmp_path: Path) -> None:
    tag = f"{registry.address}/team/changing:1"
    with forwarder.forward(int(registry.address.rpartition(":")[2])) as counting:
        through = tag.replace(registry.address, f"127.0.0.1:{counting.port}")
        push(through, _small(tmp_path / "a"), "--plain-http")
        whole, counting.received = counting.received, 0
        code, said, result = push(through, _small(tmp_path / "b", config=b"changed"), "--plain-http")
        assert code == 0, said
        assert whole > 3 * MEGABYTE
        assert counting.received < 20_000
    assert {blob["name"]: blob["how"] for blob in result["blobs"]} == {
        "base": "there",
        "wheels": "there",
        "config": "sent",
        "image config": "sent",
    }
    assert _digest(tag) == result["digest"]


def test_another_repository_of_the_registry_takes_layers_over(push: Push, registry: Registry, tmp_path: Path) -> None:
    image = _small(tmp_path)
    push(f"{registry.address}/first/demo:1", image, "--plain-http")
    code, said, result = push(f"{registry.address}/second/demo:1", image, "--plain-http")
    assert code == 0, said
    assert {blob["how"] for blob in result["blobs"]} == {"mounted"}
    assert _digest(f"{registry.address}/second/demo:1") == image.digest


def test_an_upload_that_breaks_off_is_sent_anew(push: Push, registry: Registry, tmp_path: Path) -> None:
    image = small_image.write(tmp_path, "demo:1", layers={"large": 30 * MEGABYTE})
    with forwarder.forward(int(registry.address.rpartition(":")[2])) as breaking:
        breaking.hang_up_at = [10 * MEGABYTE, 20 * MEGABYTE]  # of 30, 40
        code, said, _ = push(f"127.0.0.1:{breaking.port}/team/broken:1", image, "--plain-http")
        assert code == 0, said
        assert not breaking.hang_up_at
        assert breaking.received > 40 * MEGABYTE
    assert _digest(f"{registry.address}/team/broken:1") == image.digest


def test_a_registry_that_goes_down_is_named_and_a_retry_works(
    push: Push, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.registry.repository.ATTEMPTS", 2)
    image = small_image.write(tmp_path, "demo:1", layers={"large": 20 * MEGABYTE})
    port = process.free_port()
    tag = f"127.0.0.1:{port}/team/down:1"
    with forwarder.forward(int(registry.address.rpartition(":")[2]), port) as leading:
        leading.hang_up_at = [5 * MEGABYTE]
        leading.close_when_hung_up = True
        code, said, _ = push(tag, image, "--plain-http")
    assert code == 69
    assert f"{tag.rpartition(':')[0]}: the upload of large" in said
    assert "broke off 2 times" in said
    assert "Traceback" not in said
    with forwarder.forward(int(registry.address.rpartition(":")[2]), port):
        assert push(tag, image, "--plain-http")[0] == 0
    assert _digest(f"{registry.address}/team/down:1") == image.digest


def test_a_private_ca_and_an_account_are_enough(
    push: Push, guarded: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, tag = _small(tmp_path), f"{guarded.address}/team/demo:1"
    code, said, _ = push(tag, image)
    assert code == 69
    assert f"the certificate of {guarded.address} is not to be trusted" in said
    assert "SSL_CERT_FILE" in said

    monkeypatch.setenv("SSL_CERT_FILE", str(guarded.ca))
    code, said, _ = push(tag, image)
    assert code == 69
    assert "asks for credentials, and there are none in" in said
    assert f"docker login {guarded.address}" in said

    auth_file = _log_in(tmp_path, guarded.address, password="wrong battery")
    code, said, _ = push(tag, image)
    assert code == 69
    assert f"does not accept {NAME} from {auth_file}" in said
    assert "wrong battery" not in said

    _log_in(tmp_path, guarded.address)
    code, said, result = push(tag, image)
    assert code == 0, said
    assert _digest(tag, "--creds", f"{NAME}:{PASSWORD}") == result["digest"]


def test_a_ca_where_docker_keeps_it_is_found(
    push: Push, guarded: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guarded.ca
    folder = tmp_path / ".docker/certs.d" / guarded.address
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(guarded.ca.read_bytes())
    monkeypatch.setenv("REGISTRY_USERNAME", NAME)
    monkeypatch.setenv("REGISTRY_PASSWORD", PASSWORD)
    code, said, _ = push(f"{guarded.address}/team/demo:2", _small(tmp_path))
    assert code == 0, said


def test_a_credential_helper_is_asked(
    push: Push, guarded: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "bin/docker-credential-tests"
    helper.parent.mkdir()
    helper.write_text(f"""#!/bin/sh\necho '{{"Username": "{NAME}", "Secret": "{PASSWORD}"}}'\n""")
    monkeypatch.setenv("SSL_CERT_FILE", str(guarded.ca))
    monkeypatch.setenv("PATH", str(helper.parent), prepend=":")
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"credHelpers": {guarded.address: "tests"}}))
    image, tag = _small(tmp_path), f"{guarded.address}/team/demo:3"
    code, said, _ = push(tag, image)
    assert code == 65
    assert ".docker/config.json: its credential helper" in said
    helper.chmod(0o755)
    code, said, _ = push(tag, image)
    assert code == 0, said


def test_tokens_are_fetched_and_renewed(push: Push, tmp_path: Path) -> None:
    image = _small(tmp_path)
    with (
        token_issuer.serve(tmp_path, (NAME, PASSWORD), refresh_token="long", stale=1) as issuer,
        registry.serve(tokens=issuer) as served,
    ):
        tag = f"{served.address}/team/demo:1"
        _log_in(tmp_path, f"{served.address}/team")
        code, said, _ = push(tag, image, "--plain-http")
        assert code == 0, said
        assert {"pull", "push"} in [set(scope.rpartition(":")[2].split(",")) for scope in issuer.scopes]

        _log_in(tmp_path, served.address, identitytoken="long")
        assert push(f"{served.address}/team/other:1", image, "--plain-http")[0] == 0

        _log_in(tmp_path, served.address, identitytoken="expired-secret")
        code, said, _ = push(f"{served.address}/team/third:1", image, "--plain-http")
        assert code == 69
        assert "wrong or expired: 401 UNAUTHORIZED who are you" in said
        assert "expired-secret" not in said


def test_a_registry_that_does_not_speak_tls_needs_the_option(push: Push, registry: Registry, tmp_path: Path) -> None:
    code, said, _ = push(f"{registry.address}/team/demo:1", _small(tmp_path))
    assert code == 69
    assert "does not speak TLS" in said
    assert "--plain-http" in said


def test_nobody_at_the_address_is_said(push: Push, tmp_path: Path) -> None:
    code, said, _ = push(f"127.0.0.1:{process.free_port()}/team/demo:1", _small(tmp_path), "--plain-http")
    assert code == 69
    assert "Connection refused" in said


def test_a_registry_that_takes_nothing_is_quoted(push: Push, tmp_path: Path) -> None:
    with registry.serve(read_only=True) as served:
        code, said, _ = push(f"{served.address}/team/demo:1", _small(tmp_path), "--plain-http")
    assert code == 69
    assert f"{served.address} refuses an upload to team/demo: 405 " in said


def test_a_refused_tag_is_quoted(push: Push, tmp_path: Path) -> None:
    """Registries refuse to move a tag in different ways; this one has every blob and says no at the end."""

    class Immutable(http_server.Handler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            content = b'{"errors": [{"code": "TAG_INVALID", "message": "the tag 1 is immutable"}]}'
            self.send_response(409)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with http_server.serving(Immutable) as port:
        code, said, _ = push(f"127.0.0.1:{port}/team/demo:1", _small(tmp_path), "--plain-http")
    assert code == 69
    assert "refuses the manifest team/demo:1: 409 TAG_INVALID the tag 1 is immutable" in said


def test_an_image_needs_a_good_verdict(registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = _small(tmp_path)
    line = ["push", "--tag", f"{registry.address}/team/verdict:1", "--archive", str(image.path), "--plain-http"]
    assert cli.run(line) == 1
    assert "was not verified here" in capsys.readouterr().err

    verification.remember_failure(image.digest, "the server ended before it was healthy")
    assert cli.run([*line, "--no-verify"]) == 1
    assert "failed verification: the server ended before it was healthy" in capsys.readouterr().err

    verification.remember(image.digest, ImageVerdict((), 0, 1.0, "a test"))
    assert cli.run(line) == 0


@pytest.mark.parametrize(("content", "message"), [(None, "is not there"), (b"text", "is not an image archive")])
def test_no_archive_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    archive = tmp_path / "x.tar"
    if content:
        archive.write_bytes(content)
    assert cli.run(["push", "--tag", "127.0.0.1:9/x:1", "--archive", str(archive)]) == 65
    assert f"x.tar: {message}" in capsys.readouterr().err
