"""Whatever a request is, the server answers it as what it is: no fault of its own, no hang, no traceback."""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.conftest import ROOT, Served
from tests.security.fuzzing.answers import Log, faults, leads_outside
from tests.security.fuzzing.changes import all_changes
from tests.security.fuzzing.document import furnished, operations
from tests.security.fuzzing.requests import valid_requests
from tests.security.fuzzing.resources import Known, make
from tests.support.image import BuiltImage
from tests.support.sandboxed import serving
from tests.support.scripted_backend import ScriptedBackend

HOOKS = Path(__file__).parent / "fuzzing" / "hooks.py"
SECONDS, LONG = 60, 3600
"""How long the document is driven; ``--long`` for a release."""
CHANGES = 2000
"""How many requests with one thing changed are sent, which takes a minute; with ``--long`` all, five times as many."""
PATIENCE = 30
"""Seconds that a request may take on a machine that has much else to do."""
SEED = 11
"""What is made up is the same in each short run, so that only a change can make it fail; a long run has a new seed."""


@pytest.fixture(scope="module")
def fuzzed(
    built: BuiltImage, backend: ScriptedBackend, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A server of its own, since what is registered by chance would be in everybody's way."""
    data = tmp_path_factory.mktemp("fuzzed")
    with serving(built, environment, data) as url:
        yield Served(url, data, backend)


@pytest.fixture(scope="module")
def known(fuzzed: Served) -> Known:
    """What there is in the server."""
    return make(fuzzed.http)


@pytest.fixture(scope="module", autouse=True)
def refused(fuzzed: Served, known: Known) -> dict[str, str]:
    """What is said of valid requests that are not taken, before any other has changed anything."""
    first = {name: values[0] for name, values in known.items()}
    return {
        f"{operation} {number}": answer.text
        for operation, bodies in valid_requests(known).items()
        for number, body in enumerate(bodies)
        if (answer := fuzzed.http.post(operation.removeprefix("POST ").format(**first), json=body)).status_code >= 300
    }


def test_the_requests_that_fuzzing_starts_from_are_taken(refused: dict[str, str]) -> None:
    assert refused == {}


def test_a_request_with_one_thing_changed_is_no_fault(fuzzed: Served, known: Known, long: bool) -> None:
    first = {name: values[0] for name, values in known.items()}
    changes = all_changes(valid_requests(known), random.randrange(2**32) if long else SEED)
    log = Log(fuzzed.data / "server.log")
    found = []
    for change in changes if long else changes[:CHANGES]:
        path = change.operation.removeprefix("POST ").format(**first)
        answer = fuzzed.http.post(path, json=change.body, timeout=PATIENCE)
        outside = leads_outside(json.dumps(change.body))
        wrong = faults(answer.status_code, answer.headers.get("Content-Type", ""), answer.content, led_outside=outside)
        if wrong := wrong + log.traceback():
            found.append((change, wrong))
    assert found == []


def test_no_request_made_from_the_document_is_a_fault(fuzzed: Served, known: Known, tmp_path: Path, long: bool) -> None:
    document = furnished(fuzzed.http.get("/openapi.json").json(), known, aliases=long)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "schemathesis.toml").write_text(
        f'hooks = "{HOOKS}"\nrequest-timeout = {PATIENCE}\n[output]\nsanitization = {{enabled = false}}\n'
    )
    found = tmp_path / "found"
    found.touch()

    seconds = LONG if long else SECONDS
    command: list[str | Path] = [sys.executable, "-m", "schemathesis.cli"]
    command += ["--config-file", tmp_path / "schemathesis.toml", "run", tmp_path / "openapi.json"]
    command += ["--url", fuzzed.url, "--checks", "no_fault", "--continue-on-failure"]
    command += ["--max-time", str(seconds), "--warnings", "off", "--no-color", *(() if long else ("--seed", str(SEED)))]
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 300,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "FUZZING_KEPT": json.dumps([value for values in known.values() for value in values]),
            "FUZZING_LOG": str(fuzzed.data / "server.log"),
            "FUZZING_FOUND": str(found),
        },
    )
    print(ran.stdout[-4000:])

    assert [json.loads(line) for line in found.read_text().splitlines()] == []
    assert ran.returncode == 0, ran.stdout + ran.stderr
    generated = re.search(r"(\d+) generated", ran.stdout)
    assert generated is not None
    assert int(generated[1]) > len(operations(document))
    assert "Traceback" not in fuzzed.log
