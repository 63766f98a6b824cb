"""What is refused, how, and that nothing of it stays behind."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.files import web
from tests.integration.files.conftest import MAX_FILE_BYTES
from tests.integration.files.places import Place
from tests.integration.files.waiting import wait_until
from tests.support.process import LOOPBACK
from tests.support.stack_server import StackServer

BOUNDARY = "xyz"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
PURPOSE = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
FILE = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
END = f"\r\n--{BOUNDARY}--\r\n"


@pytest.fixture(autouse=True)
def nothing_stays(place: Place, stack: StackServer) -> Iterator[None]:
    """Check after each test that no object and no row was added."""
    before = place.objects()
    yield
    assert place.objects() == before
    assert place.unfinished() == set()
    assert list(stack.openai.files.list()) == []


def post(stack: StackServer, body: Any, content_type: str = FORM) -> httpx.Response:
    return web.post(f"{stack.url}/v1/files", content=body, headers={"Content-Type": content_type})


def places_of(response: httpx.Response) -> list[list[str]]:
    assert response.status_code == 400
    return [error["loc"] for error in response.json()["error"]["detail"]["errors"]]


def test_fields_may_come_after_the_file(stack: StackServer) -> None:
    file = post(stack, FILE + "content\r\n" + PURPOSE + END[2:]).json()
    assert (file["purpose"], file["bytes"]) == ("assistants", 7)
    assert stack.openai.files.content(file["id"]).read() == b"content"
    stack.openai.files.delete(file["id"])


@pytest.mark.parametrize("step", [1, 3, 50])
def test_a_form_may_come_in_pieces(stack: StackServer, step: int) -> None:
    content = f"--{BOUNDARY}\r\n\r\n--\r\n-{BOUNDARY}--\r\n\r"
    body = (PURPOSE + FILE + content.replace(f"--{BOUNDARY}", f"-{BOUNDARY}") + END).encode()
    file = post(stack, (body[at : at + step] for at in range(0, len(body), step))).json()
    assert stack.openai.files.content(file["id"]).text == content.replace(f"--{BOUNDARY}", f"-{BOUNDARY}")
    stack.openai.files.delete(file["id"])


def test_everything_that_is_missing_is_named(stack: StackServer) -> None:
    assert places_of(post(stack, END[2:])) == [["body", "file"], ["body", "purpose"]]


def test_a_file_without_a_purpose_is_refused(stack: StackServer) -> None:
    assert places_of(post(stack, FILE + "content" + END)) == [["body", "purpose"]]


@pytest.mark.parametrize(
    ("field", "value", "place_of_error"),
    [
        ("purpose", "nonsense", ["body", "purpose"]),
        ("expires_after[seconds]", "60", ["body", "expires_after", "anchor"]),
        ("expires_after", "soon", ["body", "expires_after"]),
        ("expires_after", '{"anchor": "created_at", "seconds": 60}', ["body", "expires_after", "seconds"]),
    ],
)
def test_a_wrong_field_is_named(stack: StackServer, field: str, value: str, place_of_error: list[str]) -> None:
    fields = {"purpose": "assistants", field: value}
    response = web.post(f"{stack.url}/v1/files", files={"file": ("f", b"x")}, data=fields)
    assert place_of_error in places_of(response)


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"{}", "application/json", "multipart/form-data"),
        (b"", "multipart/form-data", "Missing boundary"),
        ((PURPOSE + FILE + "content").encode(), FORM, "ends before its last boundary"),
        (b"no form at all", FORM, "error parsing"),
        ((PURPOSE * 20_000 + FILE + "content" + END).encode(), FORM, "fields of the form are over"),
    ],
    ids=["json", "no boundary", "cut off", "no form", "endless fields"],
)
def test_a_body_that_is_no_form_is_refused(stack: StackServer, body: bytes, content_type: str, message: str) -> None:
    response = post(stack, body, content_type)
    assert response.status_code == 400
    assert message in response.json()["detail"]


def test_a_name_with_nul_is_refused(stack: StackServer) -> None:
    response = web.post(f"{stack.url}/v1/files", files={"file": ("a\0b", b"x")}, data={"purpose": "batch"})
    assert response.status_code == 400
    assert "NUL" in response.json()["detail"]


def test_a_file_of_the_largest_size_is_taken(stack: StackServer) -> None:
    file = stack.openai.files.create(file=("f", bytes(MAX_FILE_BYTES)), purpose="assistants")
    stack.openai.files.delete(file.id)
    assert file.bytes == MAX_FILE_BYTES


def test_a_client_that_sends_too_much_hears_of_it(stack: StackServer) -> None:
    files = {"file": ("f", bytes(MAX_FILE_BYTES + 1))}
    response = web.post(f"{stack.url}/v1/files", files=files, data={"purpose": "assistants"})
    assert response.status_code == 413
    assert str(MAX_FILE_BYTES) in response.json()["detail"]


def test_too_large_a_length_is_refused_before_the_body(stack: StackServer) -> None:
    with _connection(stack) as connection:
        connection.sendall(_head(f"Content-Length: {2 * MAX_FILE_BYTES}", "Expect: 100-continue"))
        assert _status(connection) == 413


def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_large(stack: StackServer) -> None:
    """The client sends one byte more than is allowed, and waits, with the body still open."""
    with _connection(stack) as connection:
        connection.sendall(_head("Transfer-Encoding: chunked"))
        for piece in (PURPOSE.encode() + FILE.encode(), bytes(MAX_FILE_BYTES), b"x"):
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        assert _status(connection) == 413


@pytest.mark.parametrize("sent", [10, 7 << 20], ids=["a little", "some parts"])
def test_a_client_may_go_away(stack: StackServer, place: Place, sent: int) -> None:
    with _connection(stack) as connection:
        body = PURPOSE.encode() + FILE.encode() + bytes(sent)
        connection.sendall(_head(f"Content-Length: {len(body) + 1000}") + body)
    # The next upload is served after the server has seen the end of the first.
    file = stack.openai.files.create(file=("f", b"x"), purpose="assistants")
    stack.openai.files.delete(file.id)
    wait_until(lambda: not place.unfinished())


def _connection(stack: StackServer) -> socket.socket:
    return socket.create_connection((LOOPBACK, httpx.URL(stack.url).port or 0), timeout=30)


def _head(*headers: str) -> bytes:
    lines = ["POST /v1/files HTTP/1.1", "Host: test", f"Content-Type: {FORM}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def _status(connection: socket.socket) -> int:
    answer = b""
    while b"\r\n\r\n" not in answer:
        received = connection.recv(4096)
        assert received, f"the connection ended after {answer!r}"
        answer += received
    return int(answer.split()[1])


def test_mistakes_are_reported_in_the_shape_of_upstream(stack: StackServer) -> None:
    error = post(stack, END[2:]).json()["error"]["detail"]["errors"][0]
    assert json.dumps(error, sort_keys=True) == json.dumps(
        {"loc": ["body", "file"], "msg": "Field required", "type": "missing"}, sort_keys=True
    )
