"""Names are followed to where they are defined, without an import."""

import ast

import pytest

from maintenance.sources import Definition, Import
from tests.unit.maintenance.conftest import MakeSources

MODULES = {
    "llama_stack.defined": "class Config: ...\nLIMIT = 3\ntry:\n    FAST = True\nexcept KeyError:\n    FAST = False\n",
    "llama_stack.package.__init__": "from .inner import Config as Renamed\nfrom ..defined import *\n",
    "llama_stack.package.inner": "from llama_stack.defined import Config\nfrom starlette.responses import Response\n",
    "llama_stack.circle": "from llama_stack.round import Lost\n",
    "llama_stack.round": "from llama_stack.circle import Lost\n",
    "llama_stack.using": "from llama_stack import defined\nimport llama_stack.defined as short\n",
}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("llama_stack.defined", "Config"),
        ("llama_stack.package.inner", "Config"),
        ("llama_stack.package", "Renamed"),
        ("llama_stack.package", "Config"),
    ],
)
def test_a_name_is_followed_to_its_class(make_sources: MakeSources, module: str, name: str) -> None:
    found = make_sources(MODULES).find(module, name)
    assert isinstance(found, Definition)
    assert (found.name, found.module.name) == ("Config", "llama_stack.defined")
    assert isinstance(found.statement, ast.ClassDef)


@pytest.mark.parametrize(
    ("module", "name"),
    [("llama_stack.defined", "Absent"), ("llama_stack.absent", "Config"), ("llama_stack.circle", "Lost")],
)
def test_a_name_that_is_nowhere_is_not_found(make_sources: MakeSources, module: str, name: str) -> None:
    assert make_sources(MODULES).find(module, name) is None


def test_a_name_of_another_package_is_an_import(make_sources: MakeSources) -> None:
    sources = make_sources(MODULES)
    assert sources.find("llama_stack.package.inner", "Response") == Import("starlette.responses", "Response")
    assert sources.find("llama_stack", "defined") == Import("llama_stack.defined")


def test_a_name_below_try_counts(make_sources: MakeSources) -> None:
    assert isinstance(make_sources(MODULES).find("llama_stack.defined", "FAST"), Definition)


@pytest.mark.parametrize("expression", ["defined.LIMIT", "short.LIMIT"])
def test_an_attribute_of_a_module_is_followed(make_sources: MakeSources, expression: str) -> None:
    sources = make_sources(MODULES)
    module = sources.module("llama_stack.using")
    assert module
    found = sources.definition(module, ast.parse(expression, mode="eval").body)
    assert found and (found.name, found.module.name) == ("LIMIT", "llama_stack.defined")


def test_another_package_is_never_read(make_sources: MakeSources) -> None:
    sources = make_sources({**MODULES, "uvicorn.config": "class Config: ...\n"})
    assert sources.module("uvicorn.config") is None


def test_a_definition_is_found_wherever_it_moved(make_sources: MakeSources) -> None:
    assert make_sources(MODULES).defined_in["Config"] == ["llama_stack.defined"]
