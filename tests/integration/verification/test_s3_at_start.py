"""What is said when the files of a server are to be in a bucket that does not take them."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.process import free_port
from tests.support.run_configs import run_config
from tests.support.s3 import S3Server
from tests.support.stack_server import ROOT, stack_python

REPORT = re.compile(r"^\S+:(\d+):\d+: error: (.*) \(provider-start\)\n    at (\S+)\n    (.*)$", re.MULTILINE)


def start(folder: Path, server: S3Server, provider_type: str, **config: Any) -> subprocess.CompletedProcess[str]:
    """Start a server that cannot start; it ends by itself."""
    files = {
        "provider_id": "s3",
        "provider_type": provider_type,
        "config": {
            "bucket_name": "absent",
            "region": server.region,
            "endpoint_url": server.endpoint,
            "aws_access_key_id": server.access_key,
            "aws_secret_access_key": server.secret_key,
            "metadata_store": {"backend": "sql_default", "table_name": "files_metadata"},
            **config,
        },
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(run_config(folder, {"files": [files]})))
    return subprocess.run(
        [stack_python(), "-m", "distribution", "--config", path, "--port", str(free_port())],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("provider_type", "config", "message", "advice"),
    [
        ("remote::s3", {}, "S3 bucket 'absent' does not exist", "Create the bucket"),
        ("remote::s3-files", {}, "absent", "Make it"),
        ("remote::s3", {"aws_secret_access_key": "a-wrong-s3cr3t"}, "403", "Check the credentials"),
        ("remote::s3-files", {"aws_secret_access_key": "a-wrong-s3cr3t"}, "", "Check aws_access_key_id"),
        ("remote::s3", {"endpoint_url": "http://127.0.0.1:9"}, "127.0.0.1:9", "Is the service running"),
        ("remote::s3-files", {"endpoint_url": "http://127.0.0.1:9"}, "127.0.0.1:9", "Check endpoint_url"),
    ],
)
def test_the_provider_its_line_the_cause_and_a_fix(
    tmp_path: Path, s3_server: S3Server, provider_type: str, config: dict[str, str], message: str, advice: str
) -> None:
    ended = start(tmp_path, s3_server, provider_type, **config)
    assert ended.returncode == 78, ended.stderr
    ((line, said, place, fix),) = REPORT.findall(ended.stderr)
    lines = (tmp_path / "run.yaml").read_text().splitlines()
    assert "provider_id: s3" in lines[int(line) - 1]
    assert place == "providers.files[0].provider_id"
    assert f"The provider `s3` ({provider_type}) of files did not start: " in said
    assert message in said
    assert advice in fix
    everything = ended.stdout + ended.stderr
    assert "Traceback" not in everything
    assert "a-wrong-s3cr3t" not in everything
    assert s3_server.secret_key not in everything
