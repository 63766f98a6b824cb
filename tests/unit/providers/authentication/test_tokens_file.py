"""What a file of tokens says, and that what it says now is what counts."""

import asyncio
import re
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
