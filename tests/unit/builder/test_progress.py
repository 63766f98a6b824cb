"""What is told is told as it is, whatever paths, tags and servers are called."""

import io

import pytest
from rich.table import Table

from builder import cli, progress

STRANGE = "/srv/[/a]/[bold]x[/bold]/:warning:/[link=a]"
"""Markup of rich, an end of none, and an emoji."""


@pytest.mark.parametrize("terminal", [False, True])
def test_markup_and_emoji_in_what_is_told_are_plain_text(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    written = io.StringIO()
    for name in ("out", "err"):
        there = progress.console(file=written, force_terminal=terminal, color_system=None, width=400)
        monkeypatch.setattr(progress, name, there)

    def said() -> str:
        text = written.getvalue()
        written.truncate(0)
        written.seek(0)
        return text

    with progress.step(STRANGE, STRANGE), progress.transfers() as shown, shown.one(STRANGE, 10) as report:
        report(5)
    assert STRANGE in said()
    progress.line(STRANGE, STRANGE, STRANGE)
    assert said().count(STRANGE) == 3
    progress.warn(STRANGE)
    assert said() == f"warning: {STRANGE}\n"
    progress.error(STRANGE, STRANGE)
    assert said() == f"error: {STRANGE}\n  -> {STRANGE}\n"
    progress.out.print(_table())
    assert STRANGE in said()


def test_an_error_with_a_strange_path_is_one_line_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["verify", "--config", STRANGE]) == 78
    assert capsys.readouterr().err.startswith(f"error: {STRANGE}: cannot be read: No such file or directory")


def _table() -> Table:
    table = Table("name", box=None)
    table.add_row(STRANGE)
    return table
