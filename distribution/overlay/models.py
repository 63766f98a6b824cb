"""The models a provider lists, brought up to date without a moment in which they are missing."""

from typing import Any

from distribution.overlay.declaration import change


@change(
    "llama_stack.core.routing_tables.models:ModelsRoutingTable.update_registered_models",
    takes=("self", "provider_id", "models"),
    why="Upstream takes every listed model away every 300 s and registers it again; a request in between gets 404.",
)
def update_registered_models(original: Any) -> Any:
    from llama_stack.core.datatypes import RegistryEntrySource

    source = RegistryEntrySource

    async def update_registered_models(self: Any, provider_id: str, models: list[Any]) -> None:
        known = {
            model.identifier: model
            for model in await self.get_all_with_type("model")
            if model.provider_id == provider_id
        }
        by_operator = {
            model.provider_resource_id
            for model in known.values()
            if model.source == source.via_register_api and model.owner is None
        }
        listed = {
            model.identifier: model
            for model in (_listed(provider_id, model) for model in models)
            if model.provider_resource_id not in by_operator
        }
        for identifier, model in known.items():
            gone_or_changed = listed.get(identifier) != model
            if model.source == source.listed_from_provider and gone_or_changed:
                await self.unregister_object(model)
        for model in listed.values():
            await self.register_object(model)

    return update_registered_models


def _listed(provider_id: str, model: Any) -> Any:
    from llama_stack.core.datatypes import ModelWithOwner, RegistryEntrySource

    name = model.provider_resource_id
    return ModelWithOwner(
        identifier=f"{provider_id}/{name}" if model.identifier == name else model.identifier,
        provider_resource_id=name,
        provider_id=provider_id,
        metadata=model.metadata,
        model_type=model.model_type,
        source=RegistryEntrySource.listed_from_provider,
    )
