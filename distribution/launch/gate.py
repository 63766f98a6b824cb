"""The gate of every launch path: verify before anything is served, and end with 78 when the config is wrong.

Whatever starts the server (the ENTRYPOINT, `llama stack run`, uvicorn with one worker or several) comes
through here, most of it by way of the import hooks. A process verifies once; a worker relies on the process
that started it.
"""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from distribution.launch.config_search import ChosenConfig, choose_config
from distribution.launch.errors import BAD_CONFIG, UserError
from distribution.logs import output
from distribution.verification.report import termination_log

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from distribution.verification.findings import Finding
    from distribution.verification.masking import Masker
    from distribution.verification.subject import Address, Subject, Target
    from distribution.verification.verify import Verdict

# The parent of several workers leaves a directory here; the first worker that fails reports, for all.
WORKERS_VARIABLE = "LLAMA_STACK_WORKERS_DIRECTORY"


class StartupFailure(Exception):
    """llama-stack could not start, and these findings say why."""

    def __init__(self, findings: "list[Finding]") -> None:
        super().__init__(f"{len(findings)} findings")
        self.findings = findings


class Gate:
    """What this process knows of the config it is about to serve."""

    def __init__(self) -> None:
        self.config: ChosenConfig | None = None
        self.verdict: Verdict | None = None
        self.address: Address | None = None
        self.workers: int | None = None
        self.failed = False

    def listens_on(self, host: str, port: int, workers: int | None) -> None:
        """Take note of where the launcher is going to listen."""
        from distribution.verification.subject import Address

        self.address, self.workers = Address(host, port), workers

    def verify(self, config: ChosenConfig | None = None) -> None:
        """Verify the config once; end the process with 78 and the report if it cannot be served."""
        output.set_up()
        if self.verdict is not None or is_worker():
            return
        from distribution.verification import verify
        from distribution.verification.findings import Finding, Severity

        self.config = config or config_of_upstream()
        source = verify.read(self.config.path)
        if isinstance(source, Finding):
            self.verdict = verify.Verdict(str(self.config.path), self.config.reason, [source], seconds=0)
        else:
            require_reachable = os.environ.get("REQUIRE_REACHABLE", "").lower() in ("1", "true", "yes")
            self.verdict = verify.verify(
                source, self._target(), self.config.reason, require_reachable=require_reachable
            )
        if not self.verdict.passes():
            self.fail(self.verdict)
        for finding in self.verdict.findings:
            if finding.severity is Severity.WARNING or finding.code == "telemetry-moved":
                self.say(finding)

    def say(self, finding: "Finding") -> None:
        """Log a finding that does not keep the server from starting, in one line."""
        from distribution.verification.report import text_report

        log.warning("%s", text_report.line(finding))

    def fail(self, verdict: "Verdict") -> NoReturn:
        """Report on stderr and to Kubernetes, and end the process with 78."""
        from distribution.verification.report import text_report

        self.failed = True
        if _speaks_for_the_workers():
            if output.is_json():
                for line in text_report.lines(verdict):
                    log.error("%s", line)
            else:
                text_report.report(verdict, with_information=False)
            termination_log.write(text_report.termination_message(verdict))
            sys.stderr.flush()
        raise SystemExit(BAD_CONFIG)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Verify, let the body start llama-stack, and turn what it raises into the same report."""
        from distribution.verification import masking

        self.verify()
        records = masking.mask_logs(self._masker(self.subject()))
        try:
            with records.without_tracebacks():
                yield
        except StartupFailure as failure:
            self.fail(self._verdict_with(failure.findings))
        except Exception as error:
            from distribution.verification import startup_findings

            self.fail(self._verdict_with([startup_findings.unexpected(self.subject(), error)]))
        self.succeed()

    def subject(self) -> "Subject":
        """Read the config again, to say where in it something is written."""
        from distribution.verification import verify
        from distribution.verification.document import Document, Source, load
        from distribution.verification.subject import Subject

        source = verify.read((self.config or config_of_upstream()).path)
        document = load(source)[0] if isinstance(source, Source) else None
        # Verified or not, it may have changed since; then there is nothing left to point at.
        return Subject(document or Document(str(self.config), {}), self._target())

    def succeed(self) -> None:
        """Log what is going to be served, in a few lines; for several workers their parent does."""
        from distribution.launch import summary
        from distribution.verification.report import text_report

        if self.verdict is not None:
            log.info("%s", text_report.success_line(self.verdict))
            for line in summary.lines(self.subject(), self.verdict):
                log.info("%s", line)

    def exit_if_failed(self) -> None:
        """End with 78 where a launcher has swallowed the exit of `fail`."""
        if self.failed:
            raise SystemExit(BAD_CONFIG)

    def _target(self) -> "Target":
        from distribution.verification.subject import Target

        return Target(os.environ, here=True, address=self.address, workers=self.workers)

    def _masker(self, subject: "Subject") -> "Masker":
        from distribution.verification.known_names import known_names
        from distribution.verification.masking import Masker

        return Masker([subject.document.data, subject.data], subject.secret_sources, known_names(subject))

    def _verdict_with(self, findings: "list[Finding]") -> "Verdict":
        from distribution.verification.verify import Verdict

        subject = self.subject()
        masker = self._masker(subject)
        masked = sorted({masker.finding(found) for found in findings}, key=lambda found: found.rank)
        verdict = self.verdict or Verdict(subject.document.file, "", [], seconds=0)
        return replace(verdict, findings=masked)


gate = Gate()


def config_of_upstream() -> ChosenConfig:
    """Find the config as upstream's factory does, by LLAMA_STACK_CONFIG, or by our own search without it."""
    from distribution.upstream.run_config import distribution_config

    try:
        asked = os.environ.get("LLAMA_STACK_CONFIG")
        if asked and not os.path.exists(asked) and (path := distribution_config(asked)):
            return ChosenConfig(path, "LLAMA_STACK_CONFIG")
        chosen = choose_config(None, {"LLAMA_STACK_CONFIG": asked} if asked else os.environ)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        termination_log.write(f"{error}\n")
        gate.failed = True
        raise SystemExit(error.exit_code) from error
    os.environ["LLAMA_STACK_CONFIG"] = str(chosen.path)
    return chosen


def is_worker() -> bool:
    """Tell whether this process is one of several workers, started by a process that has verified."""
    directory = os.environ.get(WORKERS_VARIABLE)
    return bool(directory) and Path(str(directory)).name.endswith(f"-{os.getppid()}")


@contextlib.contextmanager
def workers_to_start() -> Iterator[None]:
    """Mark the processes that the body starts as workers of this one."""
    with tempfile.TemporaryDirectory(prefix="llama-stack-", suffix=f"-{os.getpid()}") as directory:
        os.environ[WORKERS_VARIABLE] = directory
        try:
            yield
        finally:
            del os.environ[WORKERS_VARIABLE]


def _speaks_for_the_workers() -> bool:
    """Tell whether this process may report: always, unless another worker already has."""
    if not is_worker():
        return True
    try:
        (Path(os.environ[WORKERS_VARIABLE]) / "reported").touch(exist_ok=False)
    except OSError:
        return False
    return True
