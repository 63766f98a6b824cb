"""Packages whose names are imported when they are asked for: the names are the same, and a server imports less."""

import json
import os
import subprocess
import sys
from pathlib import Path

import openai

from distribution.deferral import GATHERING, is_put_off
from tests.support.stack_server import run_python

# What packages have, in words that are the same in every process: the names in dir(), or those that are asked for.
LISTING = """
import importlib, json, pathlib, re, sys
import llama_stack, mcp, openai

def told(value):
    kind = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    return kind + re.sub("0x[0-9a-f]+", "", repr(value))

listing = {}
for package, asked in json.loads(pathlib.Path(sys.argv[1]).read_text()).items():
    module = importlib.import_module(package)
    names = {name for name in dir(module) if not name.startswith("__")}
    listing[package] = {name: told(getattr(module, name, None)) for name in asked or names}
json.dump(listing, sys.stdout)
"""
Listing = dict[str, dict[str, str]]


def test_each_name_is_what_it_was(tmp_path: Path) -> None:
    packages = _gathering_packages()
    assert {"llama_stack", "mcp", "mcp.server", "openai.types.chat", "openai.types.responses"} < set(packages)
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps(dict.fromkeys(packages)))
    env = {**os.environ, "PYTHONPATH": ""}
    at_once: Listing = json.loads(
        subprocess.check_output([sys.executable, "-c", LISTING, str(asked)], text=True, env=env),
    )
    asked.write_text(json.dumps({package: list(names) for package, names in at_once.items()}))
    put_off: Listing = json.loads(run_python(LISTING, str(asked)))
    assert len(at_once["openai.types.responses"]) > 200
    for package in packages:
        assert put_off[package] == at_once[package], package


def test_names_that_are_put_off_are_listed() -> None:
    code = (
        "import llama_stack, openai.types.chat as chat; print(*('ChatCompletionAudio' in f(chat) for f in (dir, vars)))"
    )
    assert run_python(code).split() == ["True", "False"]


def _gathering_packages() -> list[str]:
    below = Path(openai.__file__).parent / "types"
    folders = [path.parent.relative_to(below.parents[1]) for path in sorted(below.glob("*/**/__init__.py"))]
    found = [*GATHERING, *(".".join(folder.parts) for folder in folders)]
    assert all(is_put_off(name, is_package=True) for name in found)
    return found


def test_a_name_that_no_package_has_is_an_error_as_usual() -> None:
    code = """
import llama_stack, openai.types
for module, name in ((llama_stack, "nothing"), (openai.types, "__wrapped__")):
    try:
        getattr(module, name)
    except AttributeError as error:
        print(error)
try:
    from openai.types.chat import nothing
except ImportError as error:
    print(error.name)
"""
    printed = run_python(code).splitlines()
    assert printed == [
        "module 'llama_stack' has no attribute 'nothing'",
        "module 'openai.types' has no attribute '__wrapped__'",
        "openai.types.chat",
    ]


def test_a_module_that_misses_a_package_is_found_by_whoever_imports_its_name() -> None:
    code = """
import sys, llama_stack
sys.modules["mcp.types"] = None
import mcp
try:
    from mcp import Tool
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert run_python(code).split() == ["mcp.types"]


def test_the_server_does_not_import_what_it_does_not_use() -> None:
    code = """
import sys
import llama_stack.core.server.server, llama_stack.providers.utils.tools.mcp
spared = ("llama_stack_client", "mcp.server", "openai.types.responses.response", "opentelemetry.exporter", "requests")
print([name for name in spared if name in sys.modules], "mcp.types" in sys.modules)
"""
    assert run_python(code) == "[] True\n"


def test_telemetry_that_is_exported_has_what_it_calls() -> None:
    code = """
import sys
from llama_stack.providers.inline.telemetry.meta_reference import telemetry
telemetry.TelemetryAdapter(telemetry.TelemetryConfig(), {})
print(type(telemetry.trace.get_tracer_provider()).__module__, "opentelemetry.exporter.otlp.proto.http" in sys.modules)
"""
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    assert run_python(code, env=env).split() == ["opentelemetry.sdk.trace", "True"]


def test_without_llama_stack_nothing_is_put_off() -> None:
    code = "import sys, openai; print('openai.types.responses.response' in sys.modules, 'llama_stack' in sys.modules)"
    assert run_python(code).split() == ["True", "False"]
