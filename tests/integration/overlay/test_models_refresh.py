"""Models that a provider lists are there all the time, also while the list is brought up to date."""

from tests.support.stack_server import run_python

# A process of its own: the hooks have to be there before llama-stack is.
PROGRAM = """
import asyncio
from llama_stack.apis.models import Model, ModelType
from llama_stack.core.routing_tables.models import ModelsRoutingTable
from llama_stack.core.store.registry import CachedDiskDistributionRegistry
from llama_stack.providers.datatypes import Api
from llama_stack.providers.utils.kvstore import InmemoryKVStoreImpl


class Provider:
    class __provider_spec__:
        api = Api.inference

    async def register_model(self, model):
        await asyncio.sleep(0)
        return model

    async def unregister_model(self, model_id):
        await asyncio.sleep(0)


def listed(*names, **metadata):
    return [
        Model(identifier=name, provider_resource_id=name, provider_id="p", model_type=ModelType.llm, metadata=metadata)
        for name in names
    ]


async def main():
    table = ModelsRoutingTable({"p": Provider()}, CachedDiskDistributionRegistry(InmemoryKVStoreImpl()), [])
    await table.initialize()
    await table.register_model("by-hand", provider_id="p")
    await table.update_registered_models("p", listed("stays", "goes", "by-hand"))
    refreshing = asyncio.create_task(table.update_registered_models("p", listed("stays", "comes", "by-hand")))
    missing = 0
    while not refreshing.done():
        missing += not await table.has_model("p/stays")
        await asyncio.sleep(0)
    await refreshing
    await table.update_registered_models("p", listed("stays", "comes", "by-hand", new=True))
    models = sorted((await table.list_models()).data, key=lambda model: model.identifier)
    print(missing, [(model.identifier, model.source.value, model.metadata) for model in models])

asyncio.run(main())
"""


def test_a_model_that_stays_is_never_missing() -> None:
    listed, new = "listed_from_provider", {"new": True}

    printed = run_python(PROGRAM)

    models = [("p/by-hand", "via_register_api", {}), ("p/comes", listed, new), ("p/stays", listed, new)]
    assert printed.splitlines()[-1] == f"0 {models}"
