"""The package that docs/adding-a-provider.md walks through, as it stands there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from llama_stack_client import InternalServerError, NotFoundError
from uv import find_uv_bin

from tests.integration.prompts.prompts_api import Prompts
from tests.support.run_configs import run_config
from tests.support.stack_server import ROOT, run_python, serve

PAGE = ROOT / "docs" / "adding-a-provider.md"
FILE = re.compile(r"^`(\S+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIST = "from llama_stack.cli.llama import main; main()"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the package is installed beside llama-stack."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name, content in FILE.findall(PAGE.read_text()):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    # uv brings the build backend along, so nothing has to be fetched.
    subprocess.run(
        [
            *(find_uv_bin(), "pip", "install", "--quiet", "--offline", "--no-deps", "--no-cache"),
            *("--python", sys.executable, "--target", target, source),
        ],
        check=True,
    )
    return {"PYTHONPATH": f"{ROOT}:{target}"}


@pytest.mark.parametrize("told_by", [{"module": "prompt_folder"}, {}], ids=["module", "entry point"])
def test_it_serves_the_prompts(installed: dict[str, str], tmp_path: Path, told_by: dict[str, str]) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "greeting.txt").write_text("Hello {{ name }}")
    provider: dict[str, Any] = {
        "provider_id": "folder",
        "provider_type": "inline::prompt-folder",
        "config": {"folder": str(folder)},
        **told_by,
    }

    with serve(run_config(tmp_path, {"inference": [], "prompts": [provider]}), installed) as stack:
        prompts = Prompts(stack.client)
        [prompt] = prompts.list().values()
        assert (prompt["prompt"], prompt["variables"]) == ("Hello {{ name }}", ["name"])
        assert prompts.get(prompt["prompt_id"]) == prompt
        with pytest.raises(NotFoundError):
            prompts.get(prompt["prompt_id"], version=2)
        with pytest.raises(InternalServerError) as error:
            prompts.create("no")
        assert error.value.status_code == 501
        assert str(folder) in error.value.response.text
        [shown] = [one for one in stack.client.providers.list() if one.api == "prompts"]
        assert (shown.provider_id, shown.health) == ("folder", {"status": "OK"})


def test_it_is_listed_with_the_others(installed: dict[str, str]) -> None:
    listed = run_python(LIST, "stack", "list-providers", "prompts", env=installed)

    assert "inline::prompt-folder" in listed
    assert "inline::prompts" in listed
