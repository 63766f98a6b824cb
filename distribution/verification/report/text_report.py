"""A verdict for people: on the terminal, in logs, and for `kubectl describe pod`."""

import io
import sys
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distribution.verification.findings import Finding, Severity
from distribution.verification.report import termination_log
from distribution.verification.verify import Verdict

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


def summary(verdict: Verdict, *, with_information: bool = False) -> str:
    """Return one line: can it be served, and how many findings there are."""
    shown = [one for one in Severity if with_information or one is not Severity.INFO]
    counts = ", ".join(
        f"{count} {severity}{'' if count == 1 or severity is Severity.INFO else 's'}"
        for severity in shown
        if (count := verdict.count(severity))
    )
    can = "can" if verdict.passes() else "cannot"
    return f"{verdict.file} {can} be served by this image" + (f": {counts}" if counts else "")


def success_line(verdict: Verdict) -> str:
    """Return the one line of a start that went well."""
    return (
        f"verified {verdict.file} ({verdict.reason}) in {verdict.seconds:.2f} s: "
        f"{_count(len(verdict.apis), 'API')}, {_count(len(verdict.providers), 'provider')}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def location(finding: Finding) -> str:
    """Return FILE:LINE:COLUMN, as editors and terminals understand it."""
    return f"{finding.file}:{finding.line}:{finding.column}"


def line(finding: Finding) -> str:
    """Return a finding as one line, for logs."""
    advice = " ".join(finding.advice.split())
    return f"{location(finding)}: {finding.severity}: {finding.message} {advice} ({finding.code})"


def lines(verdict: Verdict) -> list[str]:
    """Return the errors and warnings as lines, the summary last."""
    found = [line(one) for one in verdict.findings if one.severity is not Severity.INFO]
    return [*found, summary(verdict)]


def report(verdict: Verdict, *, with_information: bool = True, stream: TextIO | None = None) -> None:
    """Print every finding and the summary; colours only on a terminal."""
    stream = stream or sys.stderr
    console = Console(file=stream, soft_wrap=True, highlight=False)
    for finding in verdict.findings:
        if with_information or finding.severity is not Severity.INFO:
            _print_finding(console, finding)
    console.print(escape(summary(verdict, with_information=with_information)), style="bold")


def _print_finding(console: Console, finding: Finding) -> None:
    style = STYLES[finding.severity]
    console.print(
        f"{escape(location(finding))}: [{style}]{finding.severity}[/]: {escape(finding.message)} "
        f"[dim]({finding.code})[/]"
    )
    if finding.path:
        console.print(f"    at {escape(finding.path)}", style="dim")
    for line in finding.advice.splitlines():
        console.print(f"    {escape(line)}")


def provider_table(verdict: Verdict, stream: TextIO | None = None) -> None:
    """Print which provider serves which API."""
    table = Table("API", "PROVIDER", "TYPE", box=None, pad_edge=False)
    for provider in sorted(verdict.providers, key=lambda provider: provider.api):
        table.add_row(escape(provider.api), escape(provider.provider_id or "?"), escape(provider.provider_type))
    width = None if (stream or sys.stdout).isatty() else 120
    Console(file=stream or sys.stdout, width=width, highlight=False).print(table)


def termination_message(verdict: Verdict) -> str:
    """Return the most severe findings in at most 4096 bytes, which is all that Kubernetes keeps."""
    text = io.StringIO()
    text.write(summary(verdict) + "\n")
    lines = [
        f"{location(finding)}: {finding.severity}: {finding.message} {finding.advice.splitlines()[0]}\n"
        for finding in verdict.findings
        if finding.severity is not Severity.INFO
    ]
    for number, line in enumerate(lines):
        rest = f"and {len(lines) - number} more, in the log\n"
        if len((text.getvalue() + line + rest).encode()) > termination_log.MOST_BYTES:
            text.write(rest)
            break
        text.write(line)
    return text.getvalue()
