"""What is in the image: every shipped provider imports, every native file fits, nothing is in the way."""

import csv
import fnmatch
import json
import struct
from email.message import Message
from pathlib import Path
from platform import machine

import pytest
from packaging.utils import canonicalize_name

from builder import pin, platforms, wheels
from builder.debian import debian_lock
from tests.support.image import BuiltImage
from tests.support.scanner import Scanned

SITE = "usr/local/lib/python3.13/dist-packages"

# Imports what each provider of the manifest names, as upstream does when it resolves one.
IMPORT_AUDIT = """
import importlib, json, sys, traceback
from llama_stack.core.distribution import get_provider_registry
from llama_stack.core.utils.dynamic import instantiate_class_type
from llama_stack.providers.datatypes import Api
from distribution.upstream.shipped import shipped_providers

registry, failures, audited = get_provider_registry(), {}, 0
for provider in shipped_providers():
    try:
        if provider.module:
            spec = importlib.import_module(f"{provider.module}.provider").get_provider_spec()
            specs = spec if isinstance(spec, list) else [spec]
            spec = next(spec for spec in specs if spec.provider_type == provider.provider_type)
        else:
            spec = registry[Api(provider.api)][provider.provider_type]
        module = importlib.import_module(spec.module)
        assert hasattr(module, "get_adapter_impl") or hasattr(module, "get_provider_impl")
        instantiate_class_type(spec.config_class)
        audited += 1
    except Exception:
        failures[f"{provider.api}={provider.provider_type}"] = traceback.format_exc()
print(json.dumps({"audited": audited, "failures": failures}))
"""

# The implementation modules are imported only when a provider starts; here they are all imported at once.
DEEP_IMPORT = """
import importlib, json, pkgutil, sys
from llama_stack.core.distribution import get_provider_registry
from llama_stack.providers.datatypes import Api
from distribution.upstream.shipped import shipped_providers

registry, failures, imported = get_provider_registry(), {}, 0
for provider in shipped_providers():
    if provider.module:
        package = importlib.import_module(provider.module)
    else:
        package = importlib.import_module(registry[Api(provider.api)][provider.provider_type].module)
    for module in pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + "."):
        try:
            importlib.import_module(module.name)
            imported += 1
        except Exception as error:
            failures[module.name] = repr(error)
print(json.dumps({"imported": imported, "failures": failures}))
"""


def _answer(built: BuiltImage, program: str) -> dict[str, object]:
    # The ifeval scoring functions fetch data for nltk as soon as they are imported, into the home directory.
    done = built.run("python", "-W", "ignore", "-c", program, environment={"HOME": "/tmp"})
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_every_shipped_provider_imports(built: BuiltImage) -> None:
    answer = _answer(built, IMPORT_AUDIT)
    assert answer["failures"] == {}
    assert answer["audited"] == len(built.result["verified"]["rows"])


def test_every_module_of_every_shipped_provider_imports(built: BuiltImage) -> None:
    answer = _answer(built, DEEP_IMPORT)
    assert answer["failures"] == {}
    assert int(str(answer["imported"])) > 50


def test_upstreams_own_tools_accept_the_manifest(built: BuiltImage) -> None:
    done = built.run("llama", "stack", "list-deps", "/opt/llama-stack/distribution/build.yaml")
    assert done.returncode == 0, done.stderr
    assert "faiss-cpu" in done.stdout


def test_what_is_recorded_is_there_and_nothing_that_is_left_out(built: BuiltImage) -> None:
    site = built.root / SITE
    recorded = {row[0] for record in site.glob("*.dist-info/RECORD") for row in csv.reader(record.open()) if row}

    assert len(recorded) > 5000
    assert [name for name in recorded if not (site / name).exists()] == []
    for pattern in wheels.left_out_files():
        assert fnmatch.filter(recorded, pattern) == []
        assert (site / pattern.partition("/")[0].replace("*", "")).is_dir(), "the package is not in the image any more"


def test_thai_is_split_into_words_with_what_is_left_of_its_corpora(built: BuiltImage) -> None:
    program = """
import json
from pythainlp.tokenize import word_tokenize
print(json.dumps({"words": word_tokenize("สวัสดีครับ")}))
"""
    assert _answer(built, program) == {"words": ["สวัสดี", "ครับ"]}


def test_native_files_are_for_the_images_processor(built: BuiltImage) -> None:
    machines = {_machine(path) for path in built.root.rglob("*") if path.is_file() and not path.is_symlink()}
    expected = next(p for p in platforms.ALL if p.name == built.result["images"][0]["platform"])
    assert machines - {None} == {expected.elf_machine}


def test_native_files_find_their_libraries(built: BuiltImage) -> None:
    """Load every extension module and library by path, as the dynamic linker would."""
    program = """
import ctypes, json, os, sys
failures, loaded = {}, 0
for folder, _, names in os.walk("/usr/lib/python3.13/lib-dynload"):
    for name in names:
        try:
            ctypes.CDLL(os.path.join(folder, name)); loaded += 1
        except OSError as error:
            failures[name] = str(error)
print(json.dumps({"loaded": loaded, "failures": failures}))
"""
    answer = _answer(built, program)
    missing = {name: why for name, why in dict(answer["failures"]).items() if "No such file" in why}  # type: ignore[call-overload]
    optional = {"readline", "_curses", "_curses_panel", "_dbm", "_gdbm", "_tkinter"}
    assert {name.split(".")[0] for name in missing} <= optional


def test_bytecode_is_complete_and_unchecked(built: BuiltImage) -> None:
    """A module without bytecode costs time at every start; one that is checked reads its source as well."""
    sources = list((built.root / "opt/llama-stack").rglob("*.py"))
    sources += (built.root / "usr/local/lib/python3.13/dist-packages/llama_stack/core").rglob("*.py")
    assert len(sources) > 50
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        assert struct.unpack("<I", compiled.read_bytes()[4:8]) == (0b01,), source


@pytest.mark.parametrize("program", ["python", "python3", "llama", "uvicorn", "sh", "env", "ls"])
def test_programs_are_on_path(built: BuiltImage, program: str) -> None:
    done = built.run("sh", "-c", f"command -v {program}")
    assert done.stdout.startswith(("/usr/local/bin/", "/usr/bin/", "/bin/"))


def test_packages_are_recorded_for_scanners(built: BuiltImage) -> None:
    status = {path.name for path in (built.root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libssl3t64", "python3.13"} <= status
    done = built.run("python", "-c", "import importlib.metadata as m; print(m.version('llama-stack'))")
    assert done.stdout.strip() == pin.llama_stack()


def test_a_scanner_finds_every_package_and_its_licence(built: BuiltImage) -> None:
    found = Scanned(built.archive)
    assert found.lost == []

    locked = {
        package.name: package.version for package in debian_lock.load(platforms.of_machine(machine()).architecture)
    }
    assert found.debian_packages() == locked
    assert [package for package in locked if not found.debian_licence(package)] == []

    installed = {wheel.name: wheel.version for wheel in wheels.staged(built.root / SITE)}
    python = {canonicalize_name(metadata["Name"]): metadata for metadata in found.python_packages()}
    assert {name: metadata["Version"] for name, metadata in python.items()} == installed
    assert {name for name, metadata in python.items() if not _says_its_licence(metadata)} == set()


def _says_its_licence(metadata: Message) -> bool:
    fields = ("License", "License-Expression", "License-File")
    classifiers = metadata.get_all("Classifier", [])
    return any(metadata.get(field) for field in fields) or any("License ::" in one for one in classifiers)


def _machine(path: Path) -> int | None:
    with path.open("rb") as stream:
        header = stream.read(20)
    return int.from_bytes(header[18:20], "little") if header[:4] == b"\x7fELF" else None
