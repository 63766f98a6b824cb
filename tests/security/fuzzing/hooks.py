"""What schemathesis loads: which requests are not sent, and what is asked of every answer."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import schemathesis
from schemathesis.core.failures import Failure

from tests.security.fuzzing.answers import Log, faults, leads_outside

Case = schemathesis.Case[Any]

KEPT = frozenset(json.loads(os.environ["FUZZING_KEPT"]))
"""Identifiers of what others need; no request takes them away, or registers something else by their name."""
LOG = Log(Path(os.environ["FUZZING_LOG"]))
FOUND = Path(os.environ["FUZZING_FOUND"])
"""Takes what was found, a line of JSON each."""


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: Case) -> bool:
    """Leave alone what the rest of the run needs."""
    if case.method.upper() == "DELETE":
        return not KEPT & {unquote(str(value)) for value in (case.path_parameters or {}).values()}
    if case.method.upper() == "POST" and "{" not in case.path and isinstance(case.body, dict):
        taken = {str(value) for name, value in case.body.items() if name.endswith("_id")}
        return not (_registers(case) and KEPT & taken)
    return True


@schemathesis.check
def no_fault(context: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """Fail for an answer that is the server's fault, or that does not parse, and for a traceback in the log."""
    content_type = (response.headers.get("content-type") or [""])[0]
    outside = leads_outside(f"{case.path_parameters} {case.query} {case.body!r}")
    found = faults(response.status_code, content_type, response.content, led_outside=outside)
    found += LOG.traceback()
    if found:
        line = {"request": case.as_curl_command(), "operation": case.operation.label, "found": found}
        with FOUND.open("a") as file:
            file.write(json.dumps(line) + "\n")
        raise Failure(operation=case.operation.label, title="A fault of the server", message="\n".join(found))


def _registers(case: Any) -> bool:
    kinds = ("models", "shields", "datasets", "benchmarks", "toolgroups", "scoring-functions")
    return str(case.path).rpartition("/")[2] in kinds
