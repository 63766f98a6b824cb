"""docs/access-control.md says what the rules say."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from llama_stack.core.datatypes import AuthenticationConfig, User

from providers.access.rules import is_allowed

PAGE = (Path(__file__).parents[4] / "docs" / "access-control.md").read_text()
ALICE = User("alice", {"teams": ["red"]})
RITA = User("rita", {"teams": ["red"]})
ROOT = User("root", {"teams": ["admin"]})
REX = User("rex", {"teams": ["research"]})


def policy() -> Any:
    """The example, as llama-stack reads it."""
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])["server"]["auth"]
    provider = {"type": "custom", "endpoint": "https://tokens.internal/validate"}
    return AuthenticationConfig.model_validate({"provider_config": provider, **example}).access_policy


@pytest.mark.parametrize(
    ("action", "resource", "owner", "allowed"),
    [
        ("delete", "prompt::one", ALICE, ["alice", "root"]),
        ("read", "prompt::one", ALICE, ["alice", "rita", "root"]),
        ("read", "sql_record::files_metadata::one", ALICE, ["alice", "rita", "root"]),
        ("read", "sql_record::chat_completions::one", ALICE, ["alice", "root"]),
        ("read", "model::vllm/cheap", None, ["alice", "rita", "root", "rex"]),
        ("read", "model::vllm/expensive", None, ["rex"]),
        ("delete", "model::vllm/cheap", None, ["root"]),
        ("create", "prompt::one", ALICE, ["alice"]),
    ],
)
def test_the_example_does_what_it_says(action: str, resource: str, owner: User | None, allowed: list[str]) -> None:
    kind, _, identifier = resource.rpartition("::")
    named = SimpleNamespace(type=kind, identifier=identifier, owner=owner)

    assert [one.principal for one in (ALICE, RITA, ROOT, REX) if is_allowed(policy(), action, named, one)] == allowed
