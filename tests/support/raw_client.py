"""Clients that misbehave: they send what they like, read as slowly as they like, and leave when they like."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 20  # seconds


@contextmanager
def connected(url: str, *, receives: int | None = None) -> Iterator[socket.socket]:
    """A connection to a server; `receives` is how many bytes the kernel takes in that nobody has read."""
    place = urlsplit(url)
    with socket.socket() as connection:
        if receives is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        connection.settimeout(PATIENCE)
        connection.connect((place.hostname, place.port))
        yield connection


def request(path: str, body: dict[str, Any], *headers: str) -> bytes:
    """A whole request."""
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: test", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Read until this has come."""
    read = b""
    while end not in read:
        part = connection.recv(1 << 16)
        assert part, f"the connection was closed after {read!r}"
        read += part
    return read


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes the connection."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def leave(connection: socket.socket) -> None:
    """Hang up with a reset, as a client does that is killed with something unread."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()
