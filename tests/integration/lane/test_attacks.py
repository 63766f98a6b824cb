"""Who attacks by way of the lane: the service gets no header, key or model that its user may not send."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support import faulty_backend
from tests.support.faulty_backend import MODEL, Asked, FaultyBackend
from tests.support.run_configs import run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

CHAT = "/v1/chat/completions"
KEYS = "X-LlamaStack-Provider-Data"
MESSAGES = [{"role": "user", "content": "Hello"}]
SERVERS_KEY = "the-servers-own-key"
HIDDEN = (b"x-", b"authorization")
Headers = list[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Served:
    """A server in front of a backend, which two of its providers ask."""

    stack: StackServer
    backend: FaultyBackend

    def post(
        self,
        body: bytes | dict[str, Any],
        headers: Headers | None = None,
        content_type: str | None = "application/json",
        provider: str = "vllm",
    ) -> tuple[int, Any, Asked | None]:
        """Send a request; return its status, its body, and what the backend was asked, if it was."""
        if isinstance(body, dict):
            body = json.dumps({"model": f"{provider}/{MODEL}", "messages": MESSAGES, **body}).encode()
        before = len(self.backend.asked)
        connection = http.client.HTTPConnection(urlsplit(self.stack.url).netloc, timeout=30)
        connection.putrequest("POST", CHAT)
        typed: Headers = [("Content-Type", content_type)] if content_type else []
        for name, value in [*typed, ("Content-Length", str(len(body))), *(headers or [])]:
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        asked = self.backend.asked[before:]
        assert len(asked) <= 1
        return answer.status, content, asked[0] if asked else None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with faulty_backend.serve() as backend:
        other = {"base_url": backend.url, "api_key": SERVERS_KEY}
        providers = [
            vllm_provider("vllm", backend.url, api_token=SERVERS_KEY),
            {"provider_id": "openai", "provider_type": "remote::openai", "config": other},
        ]
        with serve(run_config(tmp_path_factory.mktemp("attacks"), {"inference": providers})) as stack:
            yield Served(stack, backend)


def key_header(provider: str, key: str) -> Headers:
    name = {"vllm": "vllm_api_token", "openai": "openai_api_key"}[provider]
    return [(KEYS, json.dumps({name: key}))]


def sent_keys(asked: Asked | None) -> list[bytes]:
    assert asked is not None
    lines = asked.head.split(b"\r\n")
    return [line.partition(b": ")[2] for line in lines if line.lower().startswith(b"authorization:")]


@pytest.mark.parametrize("provider", ["vllm", "openai"])
@pytest.mark.parametrize("key", ["a\r\nX-Injected: 1", "a\nb", "a\r", "a\0", "\u00fcber", "a\x7f"])
def test_a_key_is_one_header_or_none(served: Served, provider: str, key: str) -> None:
    status, body, asked = served.post({}, key_header(provider, key), provider=provider)

    assert asked is None
    assert status == 400
    assert "has characters that no header may have" in body["error"]["message"]
    assert "Traceback" not in served.stack.program.log.read_text()


@pytest.mark.parametrize("provider", ["vllm", "openai"])
def test_each_request_has_the_key_that_it_brings(served: Served, provider: str) -> None:
    for key in ("one", "two", None, "one", None, "two"):
        headers = key_header(provider, key) if key else None
        status, _, asked = served.post({}, headers, provider=provider)

        assert status == 200
        assert sent_keys(asked) == [f"Bearer {key or SERVERS_KEY}".encode()]


def test_of_two_headers_with_keys_the_first_holds(served: Served) -> None:
    _, _, asked = served.post({}, [*key_header("vllm", "first"), *key_header("vllm", "second")])

    assert sent_keys(asked) == [b"Bearer first"]


@pytest.mark.parametrize("value", [b"nope", b"[1]", b'{"vllm_api_token": 5}', b"{}", b'"\xff"'])
def test_keys_that_are_none_are_none(served: Served, value: bytes) -> None:
    status, _, asked = served.post({}, [(KEYS, value)])

    assert (status, sent_keys(asked)) == (200, [f"Bearer {SERVERS_KEY}".encode()])


def test_no_header_of_a_request_reaches_the_service(served: Served) -> None:
    headers: Headers = [("Cookie", "a=b"), ("X-Forwarded-Host", "evil.example"), ("Authorization", "Bearer mine")]
    _, _, asked = served.post({}, [*headers, ("X-Request-Id", "abc"), ("Accept-Encoding", "gzip"), ("TE", "trailers")])

    assert asked is not None
    names = [line.partition(b":")[0].lower() for line in asked.head.split(b"\r\n")[1:] if line]
    assert sorted(names) == sorted(
        [b"host", b"authorization", b"accept", b"user-agent", b"content-type", b"content-length"]
    )
    assert sent_keys(asked) == [f"Bearer {SERVERS_KEY}".encode()]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None, "text/json"])
def test_a_page_of_somebody_elses_cannot_ask(served: Served, content_type: str | None) -> None:
    """Browsers send these to any server without asking it first."""
    status, _, asked = served.post({}, content_type=content_type)

    assert asked is None
    assert 400 <= status < 500


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
def test_json_may_be_called_so_in_many_ways(served: Served, content_type: str) -> None:
    assert served.post({}, content_type=content_type)[0] == 200


@pytest.mark.parametrize(
    ("twice", "model"),
    [
        ('"model": "nobody/x", "messages": [{"role": "user", "content": "a"}], "model": "vllm/scripted"', "scripted"),
        ('"model": "vllm/scripted", "messages": [{"role": "user", "content": "a"}], "model": "nobody/x"', None),
        ('"model": "vllm/scripted", "messages": [{"role": "user", "content": "a"}], "\\u006dodel": "nobody/x"', None),
        (
            '"m\\u006fdel": "nobody/x", "messages": [{"role": "user", "content": "a"}], "model": "vllm/scripted"',
            "scripted",
        ),
        (
            '"model": "vllm/scripted", "messages": [{"role": "user", "content": "a"}], "stream": true, "stream": false',
            "scripted",
        ),
    ],
)
def test_what_was_looked_at_is_what_goes_on(served: Served, twice: str, model: str | None) -> None:
    status, _, asked = served.post(f"{{{twice}}}".encode())

    if model is None:
        assert (status, asked) == (404, None)
    else:
        assert status == 200
        assert asked is not None
        pairs = json.loads(asked.body, object_pairs_hook=lambda found: found)
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names))
        assert dict(pairs)["model"] == model
        assert not dict(pairs).get("stream")


@pytest.mark.parametrize(
    "name", ["\r\nHost: evil", "../../admin", "\0", "a b", "\u202e", "x" * 10_000, "%0d%0a", "?a=b#c"]
)
def test_a_models_name_stays_in_the_body(served: Served, name: str) -> None:
    status, _, asked = served.post({"model": f"vllm/{name}"})

    assert status == 200
    assert asked is not None
    assert asked.json["model"] == name
    assert asked.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert asked.head.count(b"\r\n\r\n") == 1


def test_many_keys_leave_nothing_behind(served: Served) -> None:
    connections = served.backend.made
    for number in range(300):
        assert served.post({}, key_header("vllm", f"key-{number}"))[0] == 200

    assert served.backend.made - connections <= 2


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "file:///etc/passwd", "http://localhost:8321/", " file:///a"]
)
@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "URL"}},
        {"type": "image_url", "image_url": "URL"},
        {"type": "video_url", "video_url": {"url": "URL"}},
        {"type": "audio_url", "audio_url": {"url": "URL"}},
        {"type": "text", "text": "a", "image_url": {"url": "URL"}},
        {"type": "file", "file": {"a": [{"file_url": ["URL"]}]}},
        {"type": "IMAGE_URL", "Image_Url": {"Url": "URL"}},
    ],
)
def test_a_models_server_is_led_nowhere_it_may_not_go(served: Served, url: str, part: dict[str, Any]) -> None:
    for escaped in (False, True):
        content = (
            json.dumps([part]).replace('"URL"', json.dumps(url)).replace("_url", "_\\u0075rl" if escaped else "_url")
        )
        for role in ('"role": "user"', '"role": "tool", "tool_call_id": "a"'):
            body = f'{{"model": "vllm/{MODEL}", "messages": [{{{role}, "content": {content}}}]}}'
            status, _, asked = served.post(body.encode())

            # Upstream's way passes on what it knows of a part, and no more.
            assert status in (400, 403) or (asked is not None and url not in asked.body.decode())


def test_a_models_server_may_fetch_what_is_public(served: Served) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://public.example/a.png"}}
    itself = {"type": "image_url", "image_url": {"url": "DATA:image/png;base64,AAAA"}}
    status, _, asked = served.post({"messages": [{"role": "user", "content": [image, itself]}]})

    assert status == 200
    assert asked is not None
    assert asked.json["messages"][0]["content"] == [image, itself]
