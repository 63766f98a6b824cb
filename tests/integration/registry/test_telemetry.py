"""Telemetry as older configs ask for it."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.run_configs import run_config
from tests.support.stack_server import serve


@pytest.mark.parametrize("provider_type", ["inline::meta-reference", "inline::telemetry"])
def test_an_old_entry_turns_telemetry_on(tmp_path: Path, provider_type: str) -> None:
    old: dict[str, Any] = {
        "provider_id": "meta-reference",
        "provider_type": provider_type,
        "config": {"service_name": "old", "sinks": "console,sqlite", "sqlite_db_path": str(tmp_path / "trace.db")},
    }

    with serve(run_config(tmp_path, {"inference": [], "telemetry": [old]})) as stack:
        log = stack.program.log.read_text()
        assert stack.client.get("/v1/health", cast_to=object) == {"status": "OK"}

    assert "telemetry: {enabled: true}" in log
