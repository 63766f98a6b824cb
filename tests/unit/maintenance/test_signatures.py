"""What is changed and what is imported: its state, parameters and code."""

from pathlib import Path

import pytest

from distribution.overlay.declaration import all_changes
from maintenance import releases
from maintenance.signatures import THERE, of_imports, of_targets
from tests.unit.maintenance.conftest import MakeSources

ROOT = Path(__file__).parents[3]
STORE = """
from starlette.responses import StreamingResponse
class Base:
    def close(self): ...
class Store(Base):
    async def get(self, key, /, *names, limit=3, **others):
        "Get."
        return key  # at once
def make(config): ...
"""


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("make", {"state": THERE, "parameters": "(config)", "code": ("def make(config):", "    ...")}),
        (
            "Store.get",
            {
                "state": THERE,
                "parameters": "(self, key, names, limit, others)",
                "code": ("async def get(self, key, /, *names, limit=3, **others):", "    return key"),
            },
        ),
        ("Store.close", {"state": THERE, "parameters": "(self)", "code": ("def close(self):", "    ...")}),
        ("StreamingResponse", {"state": THERE}),
        ("__path__", {"state": THERE}),
        ("absent", {"state": "absent is gone from the module"}),
        ("Moved.get", {"state": "Moved is gone from the module; Moved is in llama_stack.other"}),
    ],
)
def test_a_target_has_state_parameters_and_code(make_sources: MakeSources, target: str, said: object) -> None:
    sources = make_sources({"llama_stack.store": STORE, "llama_stack.other": "class Moved: ...\n"})
    assert of_targets(sources, [f"llama_stack.store:{target}"]) == {f"llama_stack.store:{target}": said}


def test_a_name_that_a_class_lacks_has_the_code_of_the_class(make_sources: MakeSources) -> None:
    sources = make_sources({"llama_stack.store": "class Store:\n    limit = 3\n"})
    assert of_targets(sources, ["llama_stack.store:Store.added"])["llama_stack.store:Store.added"] == {
        "state": "Store has no added of its own",
        "code": ("class Store:", "    limit = 3"),
    }


def test_comments_and_docstrings_are_no_code(make_sources: MakeSources) -> None:
    target = "llama_stack.store:make"
    one = make_sources({"llama_stack.store": "def make(config):\n    'Say it.'\n    return 1\n"})
    other = make_sources({"llama_stack.store": "def make(config):\n    'In other words.'\n    return  1 # why\n"})
    assert of_targets(one, [target]) == of_targets(other, [target])


def test_targets_of_other_packages_are_left_out(make_sources: MakeSources) -> None:
    assert of_targets(make_sources({"llama_stack.store": ""}), ["uvicorn.config:Config.load"]) == {}


def test_imports_are_found_or_gone(make_sources: MakeSources, tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "module.py").write_text(
        "import yaml, llama_stack.store\nfrom llama_stack.store import Store, gone\n"
        "def late():\n    from llama_stack.absent import Moved\n    from . import near\n"
    )
    sources = make_sources({"llama_stack.store": STORE, "llama_stack_api.new": "class Moved: ...\n"})
    assert {name: said["state"] for name, said in of_imports(sources, [ours]).items()} == {
        "llama_stack.absent:Moved": "the module is gone; Moved is in llama_stack_api.new",
        "llama_stack.store:": THERE,
        "llama_stack.store:Store": THERE,
        "llama_stack.store:gone": "gone is gone from the module",
    }


def test_the_installed_signatures_are_read_as_the_declarations_have_them() -> None:
    sources = releases.installed()[1]
    changes = [one for one in all_changes() if sources.holds(one.module)]
    read = of_targets(sources, [one.target for one in changes])
    for one in changes:
        if one.takes is not None and "parameters" in read[one.target]:  # an imported name has them elsewhere
            assert read[one.target]["parameters"] == f"({', '.join(one.takes)})", one.target
        assert one.adds or "gone" not in read[one.target]["state"], one.target


def test_nothing_that_is_imported_is_gone_from_the_installed_release() -> None:
    imported = of_imports(releases.installed()[1], [ROOT / "distribution", ROOT / "providers"])
    assert len(imported) > 50
    assert not [name for name, said in imported.items() if said["state"] != THERE]
