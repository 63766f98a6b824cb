"""Fetching through the gate from real servers: redirects, names that change, limits, TLS, proxies."""

import asyncio
import gzip
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from providers.outgoing import Gate, Purpose, Rules, URLNotAllowed, fetch, tool_client, transport
from tests.support import http_server, loopback_site
from tests.support.loopback_site import Site
from tests.support.process import LOOPBACK, free_port


@pytest.fixture
def site() -> Iterator[Site]:
    with loopback_site.serve() as site:
        yield site


def port_of(site: Site) -> int:
    return httpx.URL(site.address).port or 0


class Names:
    """A name server that has one answer after another for each name, the last for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        name = host.removesuffix(".example")
        answers = self.answers[name]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def gate(rules: str, names: Names, purpose: Purpose = Purpose.CONTENT) -> Gate:
    return Gate(purpose, Rules.parse(rules), names.resolve)


def got(url: str, through: Gate, **limits: float) -> httpx.Response:
    return asyncio.run(fetch(url, gate=through, **limits))  # type: ignore[arg-type]


HERE = [[LOOPBACK]]


def test_what_may_be_fetched_is_fetched(site: Site) -> None:
    site.files["/page?x=1"] = "Grüße".encode()
    answer = got(f"http://a.example:{port_of(site)}/page?x=1#part", gate("allow a.example", Names(a=HERE)))
    assert answer.text == "Grüße"
    assert site.requests == ["/page?x=1"]


@contextmanager
def redirecting(target: Callable[[str], str], status: int = 302) -> Iterator[tuple[int, list[str]]]:
    """A server that sends everybody on; yields its port and what it was asked for."""
    asked: list[str] = []

    class Redirect(http_server.Handler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Location", target(self.path))
            self.send_header("Content-Length", "0")
            self.end_headers()

    with http_server.serving(Redirect) as port:
        yield port, asked


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/secret",
        "//127.0.0.1:{port}/secret",
        "http://127.1:{port}/secret",
        "http://[::ffff:127.0.0.1]:{port}/secret",
        "http://inside.example:{port}/secret",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere_else(site: Site, target: str, status: int) -> None:
    site.files["/secret"] = b"secret"
    through = gate("allow a.example", Names(a=HERE, inside=HERE))
    with (
        redirecting(lambda _: target.format(port=port_of(site)), status) as (port, asked),
        pytest.raises(URLNotAllowed),
    ):
        got(f"http://a.example:{port}/", through)
    assert asked == ["/"]
    assert site.requests == []


def test_a_redirect_to_where_one_may_go_is_followed(site: Site) -> None:
    site.files["/there"] = b"there"
    through = gate("allow a.example b.example", Names(a=HERE, b=HERE))
    with redirecting(lambda _: f"http://b.example:{port_of(site)}/there") as (port, _):
        assert got(f"http://a.example:{port}/", through).content == b"there"


def test_redirects_come_to_an_end() -> None:
    too_many = pytest.raises(ValueError, match=r"`a\.example` redirects more than 5 times")
    with redirecting(lambda path: f"{path}x") as (port, asked), too_many:
        got(f"http://a.example:{port}/", gate("allow a.example", Names(a=HERE)))
    assert len(asked) == 6


def test_a_name_that_changes_its_address_gets_nowhere(site: Site) -> None:
    names = Names(a=[["93.184.215.14"], [LOOPBACK]])
    through = gate("", names)
    asyncio.run(through.check(f"http://a.example:{port_of(site)}/"))
    with pytest.raises(URLNotAllowed):
        got(f"http://a.example:{port_of(site)}/", through)
    assert site.requests == []


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(site: Site) -> None:
    site.files["/"] = b"here"
    names = Names(a=[[LOOPBACK], ["169.254.169.254"]])
    assert got(f"http://a.example:{port_of(site)}/", gate("allow a.example", names)).content == b"here"
    assert names.asked == ["a.example"]


def test_addresses_are_tried_one_after_the_other(site: Site) -> None:
    site.files["/"] = b"here"
    names = Names(a=[["127.0.0.3", "::1", LOOPBACK]])
    assert got(f"http://a.example:{port_of(site)}/", gate("allow a.example", names)).content == b"here"


@contextmanager
def answering(answer: Callable[[http_server.Handler], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    class Answer(http_server.Handler):
        def do_GET(self) -> None:
            answer(self)

    with http_server.serving(Answer, tls=tls) as port:
        yield port


def test_what_does_not_end_is_not_taken() -> None:
    sent = 0

    def endless(handler: http_server.Handler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
                sent += 65536
        except OSError:
            handler.close_connection = True

    with answering(endless) as port, pytest.raises(ValueError, match="larger than 1000000 bytes"):
        got(f"http://a.example:{port}/", gate("allow a.example", Names(a=HERE)), most_bytes=1_000_000)
    assert sent < 100_000_000  # what the sockets hold, and no more


def test_what_grows_when_it_is_unpacked_is_not_taken() -> None:
    packed = gzip.compress(b"\0" * 50_000_000)

    def bomb(handler: http_server.Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(packed)))
        handler.end_headers()
        handler.wfile.write(packed)

    assert len(packed) < 100_000
    with answering(bomb) as port:
        url = f"http://a.example:{port}/"
        through = gate("allow a.example", Names(a=HERE))
        with pytest.raises(ValueError, match="larger than 1000000 bytes"):
            got(url, through, most_bytes=1_000_000)
        assert len(got(url, through, most_bytes=50_000_000).content) == 50_000_000


def test_a_tools_server_sends_nothing_compressed() -> None:
    asked: list[str | None] = []

    def compressed(handler: http_server.Handler) -> None:
        asked.append(handler.headers["Accept-Encoding"])
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(gzip.compress(b"{}"))

    async def ask(port: int) -> None:
        async with tool_client(gate=gate("allow a.example", Names(a=HERE), Purpose.TOOL)) as client:
            await client.get(f"http://a.example:{port}/")

    with answering(compressed) as port, pytest.raises(httpx.DecodingError, match="is compressed"):
        asyncio.run(ask(port))
    assert asked == ["identity"]


def test_a_tools_client_follows_no_redirect(site: Site) -> None:
    async def ask(port: int) -> int:
        through = gate("allow a.example b.example", Names(a=HERE, b=HERE), Purpose.TOOL)
        async with tool_client({"X-Api-Key": "secret"}, gate=through) as client:
            return (await client.get(f"http://a.example:{port}/")).status_code

    with redirecting(lambda _: f"http://b.example:{port_of(site)}/") as (port, _):
        assert asyncio.run(ask(port)) == 302
    assert site.requests == []


def test_what_takes_for_ever_is_given_up() -> None:
    gone = []

    def dripping(handler: http_server.Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not asked_to_end:
                handler.wfile.write(b"x")
                handler.wfile.flush()
        except OSError:
            gone.append(True)

    asked_to_end: list[bool] = []
    with answering(dripping) as port:
        try:
            with pytest.raises(TimeoutError, match=r"`a\.example` took longer than 0\.5 seconds"):
                got(f"http://a.example:{port}/", gate("allow a.example", Names(a=HERE)), most_seconds=0.5)
        finally:
            asked_to_end.append(True)


def test_an_error_of_the_site_is_said_without_the_urls_secrets(site: Site) -> None:
    through = gate("allow a.example", Names(a=HERE))
    with pytest.raises(ValueError, match=r"^`a\.example` answered 404$"):
        got(f"http://user:secret@a.example:{port_of(site)}/?token=secret", through)
    with pytest.raises(ConnectionError) as unreachable:
        got(f"http://user:secret@a.example:{free_port()}/?token=secret", through)
    assert "secret" not in str(unreachable.value)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    transport._tls.cache_clear()
    yield authority
    transport._tls.cache_clear()


def test_tls_is_with_the_host_that_the_url_names(authority: trustme.CA) -> None:
    named: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.sni_callback = lambda _socket, name, _context: named.append(name)
    authority.issue_cert("a.example").configure_cert(tls)

    def hello(handler: http_server.Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(str(handler.headers["Host"]).encode())

    through = gate("allow a.example b.example", Names(a=HERE, b=HERE))
    with answering(hello, tls) as port:
        assert got(f"https://a.example:{port}/", through).text == f"a.example:{port}"
        with pytest.raises(ConnectionError, match="certificate verify failed"):
            got(f"https://b.example:{port}/", through)
    assert named == ["a.example", "b.example"]


def test_two_hosts_of_one_address_share_no_connection(authority: trustme.CA) -> None:
    """A redirect to a name of which the certificate does not speak is none to the connection that is there."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("a.example").configure_cert(tls)
    asked: list[str | None] = []

    class Redirect(http_server.Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            self.send_response(302)
            self.send_header("Location", f"https://b.example:{port}/")
            self.send_header("Content-Length", "0")
            self.end_headers()

    through = gate("allow a.example b.example", Names(a=HERE, b=HERE))
    refused = pytest.raises(ConnectionError, match="certificate verify failed")
    with http_server.serving(Redirect, tls=tls) as port, refused:
        got(f"https://a.example:{port}/", through)
    assert asked == [f"a.example:{port}"]


def test_a_proxy_is_used_and_resolves(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    asked: list[str] = []

    def forward(handler: http_server.Handler) -> None:
        asked.append(handler.path)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"through the proxy")

    names = Names(a=HERE)
    with answering(forward) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://{LOOPBACK}:{port}")
        monkeypatch.setenv("NO_PROXY", "a.example")
        assert got("http://b.example/page", gate("", names)).text == "through the proxy"
        for attack in ("http://127.0.0.1/", "http://localhost/", "http://metadata.google.internal/", "http://inside/"):
            with pytest.raises(URLNotAllowed):
                got(attack, gate("", names))
        with pytest.raises(URLNotAllowed):
            got(f"http://a.example:{port_of(site)}/", gate("", names))
    assert asked == ["http://b.example/page"]
    assert names.asked == ["a.example"]
