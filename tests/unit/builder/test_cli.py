"""The command line: usage, exit codes, messages."""

import errno
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from builder import bootstrap, building, cli, commands, config_verification, paths
from builder.arguments import Parser
from builder.commands import build, verify
from builder.errors import KitError, OutputError, RunConfigError, UnreachableError, UsageError, UserFileError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[build.Options]:
    """The builds the command line asked for, none of which is done."""
    found: list[build.Options] = []
    monkeypatch.setattr(building, "build", found.append)
    return found


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[verify.Options]:
    """What the command line asked to be verified; the answer is always no."""
    found: list[verify.Options] = []

    def answer(options: verify.Options) -> int:
        found.append(options)
        return 78

    monkeypatch.setattr(config_verification, "verify", answer)
    return found


def test_a_tag_is_enough(asked: list[build.Options]) -> None:
    assert cli.run(["--tag", "demo:1"]) == 0
    (options,) = asked
    assert options.archive == paths.DIST / "demo-1.tar"
    assert options.run_config == paths.RUN_CONFIG
    assert (options.load, options.verify, options.locked) == (None, True, False)
    assert (options.push, options.plain_http) == (False, False)


def test_every_option_arrives(asked: list[build.Options]) -> None:
    line = "build --tag demo:1 --with a=b --with c=d --without e=f --platform linux/arm64,linux/amd64 --output x.tar"
    assert cli.run([*line.split(), "--no-load", "--no-verify", "--locked", "--json", "--push", "--plain-http"]) == 0
    (options,) = asked
    assert (options.added, options.removed, options.archive) == (["a=b", "c=d"], ["e=f"], Path("x.tar"))
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


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "the following arguments are required: --tag"),
        ("push", "the following arguments are required: --tag"),
        ("run --tag demo:1 --port many", "invalid int value: 'many'"),
        ("verify --json --sarif", "not allowed with argument --json"),
        ("lock --upgrade now", "build.py lock: now was not expected"),
        ("verfy --config a.yaml", "no command `verfy`; did you mean verify?"),
        ("demo:1", "an image is built by: python build.py --tag"),
        ("--tga demo:1", "no option --tga; did you mean --tag"),
        ("lock --upgrad", "no option --upgrad; did you mean --upgrade"),
        ("verify --config=a.yaml --env_file=b", "no option --env_file; did you mean --env-file"),
        ("verify --env =secret", "--env: NAME=VALUE was expected"),
        ("verify --env #A=secret", "--env: NAME=VALUE was expected"),
        ("push -tag demo:1", "no option -tag; did you mean --tag"),
    ],
)
def test_a_line_that_is_not_understood_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    assert cli.run(line.split()) == 2
    assert message in capsys.readouterr().err


def test_what_looks_like_an_option_may_be_a_value(verified: list[verify.Options]) -> None:
    key = "-----BEGIN KEY-----\n--tag\n"
    assert cli.run(["verify", f"--env=A={key}", "--env", "B=--tag", "--with=-x"]) == 78
    assert (verified[0].environment, verified[0].added) == ({"A": key, "B": "--tag"}, ["-x"])


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
        (OSError(errno.ENOSPC, "it failed"), 73),
        (OSError(errno.EROFS, "it failed", "/some/file"), 73),
    ],
)
def test_each_failure_has_its_exit_code_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def fail(_: build.Options) -> None:
        raise error

    monkeypatch.setattr(building, "build", fail)
    monkeypatch.delenv("DEBUG", raising=False)
    assert cli.run(["--tag", "demo"]) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    if isinstance(error, KitError | OSError):
        assert "it failed" in said
    if isinstance(error, KitError):
        assert "-> do this" in said
    if isinstance(error, OSError):
        assert ("make room" in said) == (error.errno == errno.ENOSPC)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for word in ("--with", "exit codes", "78", "build.py run", "python build.py --tag llama-stack:0.3.3"):
        assert word in said
    for name, command in commands.load().items():
        assert f"    {name} " in said
        assert command.summary.split()[0] in said


@pytest.mark.parametrize("name", list(commands.load()))
def test_each_command_has_a_page_of_its_own(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run([name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: build.py {name} ")
    assert commands.load()[name].description in said


@pytest.mark.parametrize("name", list(commands.load()))
def test_what_is_read_fills_the_options_of_a_command(name: str) -> None:
    command, parser = commands.load()[name], Parser(prog=name)
    command.add_arguments(parser)
    line = ["--tag", "demo:1"] if "--tag" in parser.format_usage() else []
    assert command.options(**vars(parser.parse_args(line)))


def test_a_build_with_help_shows_what_a_build_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run(["--tag", "demo:1", "--help"])
    assert "--base-image REF" in capsys.readouterr().out


def test_pytest_gets_all_that_follows(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take a second
    (tmp_path / "test_two.py").write_text("def test_one() -> None: ...\ndef test_other() -> None: ...\n")
    words = ["-c", os.devnull, "--noconftest", "--collect-only", "-q", str(tmp_path), "-k"]
    assert cli.run(["test", *words, "other or no_such_name"]) == 0
    said = capfd.readouterr().out
    assert "test_other" in said
    assert "test_one" not in said
    assert cli.run(["test", *words, "no_such_name"]) == 5  # pytest's own code


@pytest.mark.parametrize(
    ("line", "environment"), [("test -q", "test"), ("check", "test"), ("--tag test", "build"), ("run --tag a", "build")]
)
def test_each_command_gets_the_environment_that_it_needs(
    monkeypatch: pytest.MonkeyPatch, line: str, environment: str
) -> None:
    entered: list[str] = []
    monkeypatch.setattr(bootstrap, "enter_environment", lambda name, _: entered.append(name))
    monkeypatch.setattr(cli, "run", lambda _: 0)
    monkeypatch.setattr(sys, "argv", ["build.py", *line.split()])
    assert runpy.run_path(str(paths.ROOT / "build.py"))["main"]() == 0
    assert entered == [environment]


def test_reading_the_command_line_imports_none_of_the_work() -> None:
    program = "import sys; from builder import commands; commands.load(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=paths.ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    assert "builder.commands.build" in loaded.stdout.split()
    assert not {"docker", "requests", "rich", "yaml", "builder.building"} & set(loaded.stdout.split())


def test_the_documented_exit_codes_are_the_real_ones() -> None:
    table = (paths.ROOT / "docs" / "exit-codes.md").read_text()
    for kind in (KitError, UsageError, UserFileError, UnreachableError, OutputError, RunConfigError):
        assert f"| {kind.exit_code} |" in table
    assert f"| {cli.INTERRUPTED} |" in table
    assert f"| {cli.TERMINATED} |" in table


def test_verify_takes_the_kits_own_run_config_and_gives_its_verdict(verified: list[verify.Options]) -> None:
    assert cli.run(["verify"]) == 78
    line = "--config a.yaml --env-file b.env --env A=1 --with c=d --strict --json --probe"
    assert cli.run(["verify", *line.split()]) == 78
    nothing = verify.Options(config=paths.RUN_CONFIG, env_file=None, environment={}, added=[], removed=[], passed_on=[])
    wanted = verify.Options(
        config=Path("a.yaml"),
        env_file=Path("b.env"),
        environment={"A": "1"},
        added=["c=d"],
        removed=[],
        passed_on=["--strict", "--json", "--probe"],
    )
    assert verified == [nothing, wanted]


def test_a_run_config_that_is_not_there_is_a_wrong_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["verify", "--config", str(tmp_path / "absent.yaml")]) == 78
    assert "absent.yaml: cannot be read" in capsys.readouterr().err
