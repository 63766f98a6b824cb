"""Engines that do not answer, or do not have what is looked for."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import building, cli, engine, platforms, tags
from builder.base_image import pull
from builder.errors import UnreachableError
from builder.image.layers import BlobStore
from tests.support import http_server


class Empty(http_server.Handler):
    """An engine without images, and a registry without repositories."""

    def do_GET(self) -> None:
        known = {"version": {"ApiVersion": "1.43"}, "_ping": "OK"}
        answer = known.get(self.path.rpartition("/")[2])
        content = json.dumps(answer or {"message": "no such image"}).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an engine without images, which DOCKER_HOST names."""
    with http_server.serving(Empty) as port:
        address = f"tcp://127.0.0.1:{port}"
        monkeypatch.setenv("DOCKER_HOST", address)
        yield address


@pytest.fixture
def registry() -> Iterator[str]:
    """A registry that has nothing."""
    with http_server.serving(Empty) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An address where no engine answers, which DOCKER_HOST names."""
    address = f"unix://{tmp_path}/none.sock"
    monkeypatch.setenv("DOCKER_HOST", address)
    return address


def test_what_can_do_without_an_engine_goes_on_with_a_warning(silent: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine.find_or_warn("nothing is loaded") is None
    said = capsys.readouterr().err
    assert said.startswith(f"warning: DOCKER_HOST={silent}: no engine answers")
    assert said.endswith("; nothing is loaded\n")
    with pytest.raises(UnreachableError):
        engine.find()


def test_what_takes_connections_and_says_nothing_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{mute.getsockname()[1]}")
        assert engine.find_or_warn("nothing is loaded") is None


def test_an_engine_that_answers_is_found(empty: str) -> None:
    found = engine.find_or_warn("nothing is loaded")
    assert found
    assert found.address == empty


@pytest.mark.parametrize("option", ["--load", "--containerfile"])
def test_an_engine_that_was_asked_for_is_needed_before_work_begins(
    silent: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(building, "_make", lambda *given: begun.append(given))
    assert cli.run(["--tag", "demo:1", option]) == 69
    assert f"DOCKER_HOST={silent}: no engine answers" in capsys.readouterr().err
    assert not begun


def test_a_base_image_that_nobody_has_says_where_it_was_looked_for(
    empty: str, registry: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pull, "DEFAULT_HOST", registry)
    for name in ("typo:1", f"{registry}/team/typo:1"):
        error = _pull(name, tmp_path)
        said = error.message
        assert f"--base-image {name} was not found" in said
        assert f"the engine at {empty} has no such image" in said
        assert f"{registry} refuses to give " in said
        assert "typo:1: 404" in said
        assert ("HOST/typo:1" in error.advice) == (name == "typo:1")


def test_a_base_image_is_looked_for_in_its_registry_if_the_named_engine_is_silent(
    silent: str, registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _pull(f"{registry}/team/typo:1", tmp_path).message
    assert "no engine answers here" in said
    assert f"{registry} refuses to give team/typo:1: 404" in said
    assert f"DOCKER_HOST={silent}" in capsys.readouterr().err


def _pull(name: str, store: Path) -> UnreachableError:
    with pytest.raises(UnreachableError) as caught:
        pull.pull(tags.parse_reference(name, "--base-image"), platforms.AMD64, BlobStore(store), plain_http=True)
    return caught.value
