"""Image names."""

import itertools

import pytest

from builder import tags
from builder.errors import UsageError
from builder.tags import Tag


@pytest.mark.parametrize(
    ("text", "qualified", "file_name"),
    [
        ("demo", "docker.io/library/demo:latest", "demo-latest.tar"),
        ("llama-stack:0.3.3", "docker.io/library/llama-stack:0.3.3", "llama-stack-0.3.3.tar"),
        ("demo:1-rc.1", "docker.io/library/demo:1-rc.1", "demo@1-rc.1.tar"),
        ("team/demo:1", "docker.io/team/demo:1", "team+demo-1.tar"),
        ("localhost/demo:1", "localhost/demo:1", "localhost+demo-1.tar"),
        ("reg.internal:5000/a/b:v1", "reg.internal:5000/a/b:v1", "reg.internal,5000+a+b-v1.tar"),
    ],
)
def test_a_name_is_completed_as_engines_do(text: str, qualified: str, file_name: str) -> None:
    tag = tags.parse(text)
    assert (tag.qualified, tag.file_name) == (qualified, file_name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Demo:1", "lower case"),
        ("demo:1 2", "' ' is not allowed"),
        ("../demo:1", "its form is"),
        ("demo:" + "x" * 129, "its form is"),
        ("demo@sha256:abc", "digest"),
        ("demo;rm:1", "';' is not allowed"),
        ("a//b:1", "its form is"),
    ],
)
def test_a_bad_name_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match="--tag") as caught:
        tags.parse(text)
    assert reason in str(caught.value)


def test_a_name_never_leaves_the_output_folder() -> None:
    for text in ("a.b/c:1", "[::1]:5000/x:1"):
        assert "/" not in tags.parse(text).file_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("team/llama:1", "team-llama:1"),
        ("llama-1:2", "llama:1-2"),
        ("reg.internal:5000/a:1", "reg.internal-5000/a:1"),
        ("a.b/c:1", "a.b-c:1"),
        ("a/b:1-2", "a/b-1:2"),
    ],
)
def test_two_tags_have_two_archives(one: str, other: str) -> None:
    assert tags.parse(one).file_name != tags.parse(other).file_name


def test_no_two_tags_share_an_archive() -> None:
    """Every short name that can be written with these characters: hosts, ports, paths, tags."""
    archives: dict[str, Tag] = {}
    for length in range(1, 8):
        for characters in itertools.product("1-./:", repeat=length):
            try:
                tag = tags.parse("".join(characters))
            except UsageError:
                continue
            assert archives.setdefault(tag.file_name, tag) == tag
    assert len(archives) > 500
    assert not any("/" in name or ":" in name for name in archives)
