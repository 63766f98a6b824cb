"""The command line: usage, exit codes, messages."""

from pathlib import Path

import pytest

from builder import cli, paths
from builder.commands import build, verify
from builder.errors import KitError, OutputError, RunConfigError, UnreachableError, UsageError, UserFileError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[build.Options]:
    """The builds the command line asked for, none of which is done."""
    found: list[build.Options] = []
    monkeypatch.setattr(build, "build", found.append)
    return found


def test_a_tag_is_enough(asked: list[build.Options]) -> None:
    assert cli.run(["--tag", "team/demo:1"]) == 0
    (options,) = asked
    assert options.output == paths.DIST / "team-demo-1.tar"
    assert options.run_config == paths.RUN_CONFIG
    assert (options.load, options.verify, options.locked) == (True, True, False)
    assert (options.push, options.plain_http) == (False, False)


def test_every_option_arrives(asked: list[build.Options]) -> None:
    line = "--tag demo:1 --with a=b --with c=d --without e=f --platform linux/arm64,linux/amd64 --output x.tar"
    assert cli.run([*line.split(), "--no-load", "--no-verify", "--locked", "--json", "--push", "--plain-http"]) == 0
    (options,) = asked
    assert (options.added, options.removed, options.output) == (("a=b", "c=d"), ("e=f",), Path("x.tar"))
    assert [platform.architecture for platform in options.platforms] == ["arm64", "amd64"]
    assert (options.load, options.verify, options.locked, options.json) == (False, False, True, True)
    assert (options.push, options.plain_http) == (True, True)
    assert cli.run(["--tag", "demo:1", "--containerfile", "--base-image", "reg.internal/base@sha256:" + "0" * 64]) == 0
    assert asked[-1].containerfile
    assert str(asked[-1].base_image) == "reg.internal/base:latest@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--tag UPPER", "lower case"),
        ("--tag demo --platform linux/s390x", "expected linux/amd64 or linux/arm64"),
    ],
)
def test_a_wrong_value_is_a_usage_error(
    asked: list[build.Options], capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    assert cli.run(line.split()) == 2
    assert message in capsys.readouterr().err
    assert not asked


def test_a_push_needs_a_registry(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["push", "--tag", "demo:1"]) == 2
    assert "registry.internal:5000/demo:1" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["", "--nonsense", "run", "push", "lock --nonsense", "verify --json --sarif"])
def test_argparse_uses_the_same_code(line: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run(line.split())
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KitError("it failed", "do this"), 1),
        (UsageError("it failed", "do this"), 2),
        (UserFileError(Path("a.yaml"), "it failed", "do this", line=3), 65),
        (UnreachableError("it failed", "do this"), 69),
        (OutputError("it failed", "do this"), 73),
        (RunConfigError(Path("a.yaml"), "it failed", "do this"), 78),
        (KeyboardInterrupt(), 130),
        (PermissionError(13, "it failed", "/some/file"), 1),
    ],
)
def test_each_failure_has_its_exit_code_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def fail(_: build.Options) -> None:
        raise error

    monkeypatch.setattr(build, "build", fail)
    monkeypatch.delenv("DEBUG", raising=False)
    assert cli.run(["--tag", "demo"]) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    if isinstance(error, KitError):
        assert "it failed" in said
        assert "-> do this" in said


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run(["--help"])
    said = capsys.readouterr().out
    for word in ("--with", "exit codes", "78", "build.py run", "python build.py --tag llama-stack:0.3.3"):
        assert word in said


def test_the_documented_exit_codes_are_the_real_ones() -> None:
    table = (paths.ROOT / "docs" / "exit-codes.md").read_text()
    for kind in (KitError, UsageError, UserFileError, UnreachableError, OutputError, RunConfigError):
        assert f"| {kind.exit_code} |" in table
    assert f"| {cli.INTERRUPTED} |" in table


def test_verify_takes_the_kits_own_run_config_and_gives_its_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[verify.Options] = []

    def answer(options: verify.Options) -> int:
        asked.append(options)
        return 78

    monkeypatch.setattr(verify, "verify", answer)
    assert cli.run(["verify"]) == 78
    line = "--config a.yaml --env-file b.env --env A=1 --with c=d --strict --json --probe"
    assert cli.run(["verify", *line.split()]) == 78
    assert asked == [
        verify.Options(paths.RUN_CONFIG),
        verify.Options(Path("a.yaml"), Path("b.env"), {"A": "1"}, ("c=d",), (), ("--strict", "--json", "--probe")),
    ]


def test_a_run_config_that_is_not_there_is_a_wrong_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["verify", "--config", str(tmp_path / "absent.yaml")]) == 78
    assert "absent.yaml: cannot be read" in capsys.readouterr().err
