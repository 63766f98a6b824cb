"""What a file of tokens says, and that what it says now is what counts."""

import asyncio
import os
import re
import time
from pathlib import Path

import pytest

from providers.authentication.config import StaticTokenAuthConfig
from providers.authentication.errors import AuthenticationUnavailable, NotAuthenticated
from providers.authentication.static import StaticTokenAuthProvider
from providers.authentication.tokens_file import BadTokensFile, TokenUser, digest, parse

ALICE, BOB = "3vN9oYwJ4l2kP0sZ", "kq8Vd1xQm5Tz7Rb2"


@pytest.mark.parametrize(
    ("line", "user"),
    [
        (ALICE, TokenUser("default")),
        (f"{ALICE},alice", TokenUser("alice")),
        (f"{ALICE},alice,4711", TokenUser("alice")),
        (f'{ALICE},alice,4711,"red,blue"', TokenUser("alice", ("red", "blue"))),
        (f'{ALICE}, alice smith , , "red, blue,red"', TokenUser("alice smith", ("red", "blue"))),
        (f"{ALICE},,,red", TokenUser("default", ("red",))),
    ],
)
def test_a_line_is_a_token_and_whose_it_is(line: str, user: TokenUser) -> None:
    assert parse(f"\n# of the team\n{line}\r\n".encode()) == {digest(ALICE): user}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "it has no token in it"),
        ("# nothing yet\n\n", "it has no token in it"),
        ("secret", "line 1 has a token of 6 characters, and it takes 16"),
        (f"{ALICE}\n,bob", "line 2 has a token of 0 characters"),
        ("correct horse battery staple", "line 1 has a token with characters in it that cannot be sent"),
        (f"{ALICE}é", "line 1 has a token with characters in it that cannot be sent"),
        (f"{ALICE},alice,1,red,blue", "line 1 has more than TOKEN,USER,UID,GROUPS"),
        (f'{ALICE},"alice', "line 1 is not TOKEN,USER,UID,GROUPS"),
        (f"{ALICE},al\x07ice", "line 1 has a name with characters in it that cannot be printed"),
        (f"{ALICE},alice\n{ALICE},bob", "line 2 repeats the token of an earlier line"),
        (f"{ALICE}\n" * 70_000, "it has more than 1 MiB"),
    ],
)
def test_what_is_no_token_is_said_without_it(content: str, problem: str) -> None:
    with pytest.raises(BadTokensFile, match=re.escape(problem)) as raised:
        parse(content.encode())
    assert ALICE not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_what_is_no_text_is_no_file_of_tokens() -> None:
    with pytest.raises(BadTokensFile, match="not UTF-8"):
        parse(b"\xff" * 16)


def test_what_the_file_says_now_counts(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    provider = StaticTokenAuthProvider(StaticTokenAuthConfig(file=file))

    def asked(token: str) -> str:
        return asyncio.run(provider.validate_token(token)).principal

    file.write_text(f"{ALICE},alice\n")
    assert asked(ALICE) == "alice"
    with pytest.raises(NotAuthenticated):
        asked(BOB)

    file.write_text(f"{BOB},alice\n")
    assert asked(BOB) == "alice"
    with pytest.raises(NotAuthenticated):
        asked(ALICE)

    file.write_text(f"{BOB},alice\nshort\n")
    with pytest.raises(AuthenticationUnavailable, match="line 2"):
        asked(BOB)

    file.unlink()
    with pytest.raises(AuthenticationUnavailable, match="No such file"):
        asked(BOB)

    file.write_text(f'{BOB},bob,,"red"\n')
    user = asyncio.run(provider.validate_token(BOB))
    assert (user.principal, user.attributes) == ("bob", {"roles": ["bob"], "teams": ["red"]})


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with Alice's token that has been as it is for an hour."""
    file = tmp_path / "tokens"
    file.write_text(f"{ALICE},alice\n")
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    return file


def test_a_file_that_stays_is_read_once(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = StaticTokenAuthProvider(StaticTokenAuthConfig(file=settled))
    reads: list[Path] = []
    read = Path.read_bytes

    def counted(path: Path) -> bytes:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    for _ in range(3):
        assert asyncio.run(provider.validate_token(ALICE)).principal == "alice"
    assert reads == [settled]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_change_to_as_many_bytes_with_the_same_time_counts_at_once(settled: Path, replaced: bool) -> None:
    provider = StaticTokenAuthProvider(StaticTokenAuthConfig(file=settled))
    asyncio.run(provider.validate_token(ALICE))
    before = settled.stat()

    other = settled.with_name("other") if replaced else settled
    while not other.exists() or other.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of files ticks slowly
        other.write_text(f"{BOB},alice\n")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(settled)

    assert asyncio.run(provider.validate_token(BOB)).principal == "alice"
    with pytest.raises(NotAuthenticated):
        asyncio.run(provider.validate_token(ALICE))


def test_a_file_that_goes_lets_nobody_in(settled: Path) -> None:
    provider = StaticTokenAuthProvider(StaticTokenAuthConfig(file=settled))
    asyncio.run(provider.validate_token(ALICE))
    settled.unlink()
    with pytest.raises(AuthenticationUnavailable, match="No such file"):
        asyncio.run(provider.validate_token(ALICE))
