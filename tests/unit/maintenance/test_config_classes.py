"""Fields of config classes, read from their code."""

from importlib import import_module

import pytest
from llama_stack.core.datatypes import StackRunConfig

from distribution.upstream import provider_registry
from maintenance import config_classes, releases
from maintenance.comparison import Items
from maintenance.registries import provider_types
from tests.unit.maintenance.conftest import MakeSources

TYPES: Items = {"files=inline::own": {"config_class": "llama_stack.own.OwnConfig"}}


def fields(make_sources: MakeSources, code: str) -> dict[str, object]:
    sources = make_sources({"llama_stack.own": code, "llama_stack.core.datatypes": ""})
    return dict(config_classes.of_provider_types(sources, TYPES)["files=inline::own"])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("url: str", "str"),
        ("url: str = Field(...)", "str"),
        ("url: str = Field(description='Where it is.')", "str"),
        ("url: str | None = None", "str | None = None"),
        ("url: str = Field('a', description='b')", "str = 'a'"),
        ("url: str = Field(default='a')", "str = 'a'"),
        ("url: list[str] = Field(default_factory=list)", "list[str] = list()"),
        ("url: str = Field(default_factory=lambda: getenv('URL'))", "str = getenv('URL')"),
        ("url: int = Field(default=1, ge=0, alias='where')", "int (ge=0, alias='where') = 1"),
        ("url: int = LIMIT", "int = 3"),
    ],
)
def test_a_field_is_type_demands_and_default(make_sources: MakeSources, written: str, read: str) -> None:
    assert fields(make_sources, f"LIMIT = 3\nclass OwnConfig(BaseModel):\n    {written}\n") == {"url": read}


def test_fields_of_bases_come_first_and_are_replaced(make_sources: MakeSources) -> None:
    code = """
from pydantic import BaseModel
class Base(BaseModel):
    url: str
    kept: ClassVar[int] = 3
    token: str = "a"
class OwnConfig(Base):
    model_config = ConfigDict(extra="forbid")
    token: str = "b"
    def method(self): ...
"""
    assert fields(make_sources, code) == {
        "url": "str",
        "token": "str = 'b'",
        "model_config": "ConfigDict(extra='forbid')",
    }


def test_a_config_class_that_is_not_there_has_no_item(make_sources: MakeSources) -> None:
    assert config_classes.of_provider_types(make_sources({"llama_stack.own": ""}), TYPES) == {}


def test_what_configs_name_is_read_too(make_sources: MakeSources) -> None:
    sources = make_sources(
        {
            "llama_stack.core.datatypes": (
                "from llama_stack.core.stores import Backend\n"
                "class StackRunConfig(BaseModel):\n    backends: dict[str, Backend]\n    then: 'Later'\n"
                "class Later(BaseModel):\n    then: StackRunConfig | None = None\n"
                "class Marker: ...\n"
            ),
            "llama_stack.core.stores": (
                "class Kind(StrEnum):\n    REDIS = 'redis'\n"
                "class Redis(BaseModel):\n    kind: Literal[Kind.REDIS]\n"
                "Backend = Annotated[Redis, Field(discriminator='kind')]\n"
            ),
            "llama_stack.own": "class OwnConfig(BaseModel):\n    tls: TLS\nclass TLS(BaseModel):\n    verify: bool\n",
        }
    )
    assert config_classes.of_run_config(sources, TYPES) == {
        "StackRunConfig": {"backends": "dict[str, Backend]", "then": "'Later'"},
        "Later": {"then": "StackRunConfig | None = None"},
        "Backend": {"type": "Annotated[Redis, Field(discriminator='kind')]"},
        "Redis": {"kind": "Literal[Kind.REDIS]"},
        "Kind": {"REDIS": "'redis'"},
        "TLS": {"verify": "bool"},
    }


def test_a_release_without_the_module_of_the_run_config_has_nothing_of_it(make_sources: MakeSources) -> None:
    assert config_classes.of_run_config(make_sources({"llama_stack.own": ""}), {}) == {}


def test_the_installed_classes_have_the_fields_that_pydantic_sees() -> None:
    sources = releases.installed()[1]
    types = provider_types(sources)
    assert config_classes.of_run_config(sources, types)["StackRunConfig"].keys() == StackRunConfig.model_fields.keys()
    read = config_classes.of_provider_types(sources, types)
    assert read.keys() == types.keys()
    shipped = [(api, name) for api in provider_registry.registry() for name in provider_registry.shipped_types(api)]
    specs = {f"{api}={name}": provider_registry.registry()[api].get(name) for api, name in shipped}
    upstreams = {name: spec for name, spec in specs.items() if spec and str(spec.module).startswith("llama_stack.")}
    assert len(upstreams) > 10
    for name, spec in upstreams.items():
        module, _, config_class = spec.config_class.rpartition(".")
        fields = getattr(import_module(module), config_class).model_fields
        assert read[name].keys() - {"model_config"} == fields.keys(), name
