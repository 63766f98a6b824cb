"""Models, shields, datasets and others of the registry: for those who may use them, however they are asked for."""

from typing import Any

from distribution.overlay.declaration import change

TABLES = "llama_stack.core.routing_tables"
KINDS = {
    "ShieldsRoutingTable": ("shield", "Shield"),
    "VectorStoresRoutingTable": ("vector_store", "Vector Store"),
    "DatasetsRoutingTable": ("dataset", "Dataset"),
    "ScoringFunctionsRoutingTable": ("scoring_function", "Scoring Function"),
    "BenchmarksRoutingTable": ("benchmark", "Benchmark"),
    "ToolGroupsRoutingTable": ("tool_group", "Tool Group"),
}
"""The routing tables that find a provider by the key of a resource, and what their resources are called."""


@change(
    f"{TABLES}.common:CommonRoutingTableImpl.get_provider_impl",
    takes=("self", "routing_key", "provider_id"),
    why="Who may not see a vector store, dataset, shield, scoring function, benchmark or tool group uses it all the "
    "same: the provider of a resource is found without asking whose it is.",
    reference="llamastack/llama-stack#4394",
    fixed_in="0.4.0 in part",
    advisory="resources-used-unchecked",
)
def get_provider_impl(route: Any) -> Any:
    from llama_stack.apis.common.errors import ResourceNotFoundError
    from llama_stack.core.access_control.access_control import is_action_allowed
    from llama_stack.core.access_control.datatypes import Action
    from llama_stack.core.request_headers import get_authenticated_user

    async def get_provider_impl(self: Any, routing_key: str, provider_id: str | None = None) -> Any:
        kind, name = KINDS[type(self).__name__]
        # The answer is the same for what is not there and for what is another user's.
        not_found = ResourceNotFoundError(routing_key, name, f"client.{kind}s.list()")
        try:
            provider = await route(self, routing_key, provider_id)
        except ValueError as error:
            raise not_found from error
        resource = self.dist_registry.get_cached(kind, routing_key)
        if not is_action_allowed(self.policy, Action.READ, resource, get_authenticated_user()):
            raise not_found
        return provider

    return get_provider_impl


@change(
    f"{TABLES}.common:CommonRoutingTableImpl.register_object",
    takes=("self", "obj"),
    why="An identifier that is taken is refused only after the provider has taken the new resource for the old one: "
    "whoever registers another user's dataset again has replaced its rows.",
    advisory="resources-taken-over",
)
def register_object(register: Any) -> Any:
    from llama_stack.apis.common.errors import ConflictError
    from llama_stack.core.request_headers import get_authenticated_user

    async def register_object(self: Any, obj: Any) -> Any:
        user = get_authenticated_user()
        if user is None:
            return await register(self, obj)
        obj.owner = user  # so that the rules for creating it know whose it will be
        existing = await self.dist_registry.get(obj.type, obj.identifier)
        under_way = self.__dict__.setdefault("under_way", set())
        theirs = existing is not None and (existing.owner is None or existing.owner.principal != user.principal)
        if theirs or obj.identifier in under_way:
            raise ConflictError(f"The {obj.type} '{obj.identifier}' already exists. Choose another name.")
        under_way.add(obj.identifier)
        try:
            return await register(self, obj)
        finally:
            under_way.remove(obj.identifier)

    return register_object


@change(
    "llama_stack.core.store.registry:DiskDistributionRegistry.register",
    takes=("self", "obj"),
    why="What a user has registered keeps the run config, or a provider that lists its models, from registering the "
    "same name: a name can be taken from everybody before it is there, and the next start fails.",
    advisory="resources-taken-over",
)
def register(original: Any) -> Any:
    from llama_stack.core.request_headers import get_authenticated_user

    async def register(self: Any, obj: Any) -> bool:
        if obj.owner is None and get_authenticated_user() is None:
            existing = await self.get(obj.type, obj.identifier)
            if existing is not None and existing.owner is not None:
                await self.delete(obj.type, obj.identifier)
        done: bool = await original(self, obj)
        return done

    return register


@change(
    "llama_stack.core.routers.inference:InferenceRouter._get_model_provider",
    takes=("self", "model_id", "expected_model_type"),
    why="A model that the user may not use is used all the same under its name `provider/model`: what the registry "
    "does not show is asked of the provider directly. Upstream's own mend takes another user's model for one that "
    "nobody owns.",
    reference="llamastack/llama-stack#4270",
    fixed_in="0.3.4 in part",
    advisory="models-used-unchecked",
)
def get_model_provider(original: Any) -> Any:
    from llama_stack.apis.common.errors import ModelNotFoundError, ModelTypeError
    from llama_stack.core.access_control.access_control import is_action_allowed
    from llama_stack.core.access_control.datatypes import Action
    from llama_stack.core.datatypes import ModelWithOwner
    from llama_stack.core.request_headers import get_authenticated_user

    async def may_use_unregistered(table: Any, model_id: str, model_type: Any) -> bool:
        provider_id, _, name = model_id.partition("/")
        asked = ModelWithOwner(
            identifier=model_id, provider_id=provider_id, provider_resource_id=name, model_type=model_type, metadata={}
        )
        same = [
            one
            for one in await table.dist_registry.get_all()
            if one.type == "model" and (one.provider_id, one.provider_resource_id) == (provider_id, name)
        ]
        user = get_authenticated_user()
        return all(is_action_allowed(table.policy, Action.READ, one, user) for one in [asked, *same])

    async def get_model_provider(self: Any, model_id: str, expected_model_type: Any) -> Any:
        table = self.routing_table
        model = await table.get_object_by_identifier("model", model_id)
        if model is not None and model.provider_id in table.impls_by_provider_id:
            # Upstream looks the model up twice more to come to the same.
            if model.model_type != expected_model_type:
                raise ModelTypeError(model_id, model.model_type, expected_model_type)
            return table.impls_by_provider_id[model.provider_id], model.provider_resource_id
        if model is None and not await may_use_unregistered(table, model_id, expected_model_type):
            raise ModelNotFoundError(model_id)
        return await original(self, model_id, expected_model_type)

    return get_model_provider


@change(
    "llama_stack.core.routers.datasets:DatasetIORouter.append_rows",
    takes=("self", "dataset_id", "rows"),
    why="Who may only read a dataset adds rows to it.",
    advisory="resources-used-unchecked",
)
def append_rows(append: Any) -> Any:
    async def append_rows(self: Any, dataset_id: str, rows: list[dict[str, Any]]) -> None:
        await self.routing_table.assert_action_allowed("update", "dataset", dataset_id)
        await append(self, dataset_id, rows)

    return append_rows


@change(
    "llama_stack.core.resolver:instantiate_provider",
    takes=("provider", "deps", "inner_impls", "dist_registry", "run_config", "policy"),
    why="Adapters of remote services are made without the access policy: their files are for everybody.",
    reference="llamastack/llama-stack#4277",
    fixed_in="0.3.4",
    advisory="adapters-without-policy",
)
def instantiate_provider(instantiate: Any) -> Any:
    import functools
    import importlib
    import inspect

    from llama_stack.providers.datatypes import RemoteProviderSpec

    async def instantiate_provider(
        provider: Any, deps: Any, inner_impls: Any, dist_registry: Any, run_config: Any, policy: Any
    ) -> Any:
        rest = (provider, deps, inner_impls, dist_registry, run_config, policy)
        if not isinstance(provider.spec, RemoteProviderSpec) or not provider.spec.module:
            return await instantiate(*rest)
        module: Any = importlib.import_module(provider.spec.module)
        adapt = module.get_adapter_impl
        if "policy" not in inspect.signature(adapt).parameters:
            return await instantiate(*rest)
        module.get_adapter_impl = functools.partial(adapt, policy=policy)
        try:
            return await instantiate(*rest)
        finally:
            module.get_adapter_impl = adapt

    return instantiate_provider


@change(
    f"{TABLES}.common:CommonRoutingTableImpl.unregister_object",
    takes=("self", "obj"),
    why="What a provider cannot unregister, such as the scoring functions of `inline::basic`, is a 500, and is gone "
    "from the list all the same until the next start.",
)
def unregister_object(unregister: Any) -> Any:
    async def unregister_object(self: Any, obj: Any) -> None:
        method = f"unregister_{obj.type.replace('tool_group', 'toolgroup')}"
        provider = self.impls_by_provider_id.get(obj.provider_id)
        if provider is None:
            raise ValueError(f"Provider '{obj.provider_id}' of {obj.type} '{obj.identifier}' not found")
        if not hasattr(provider, method):
            await self.assert_action_allowed("delete", obj.type, obj.identifier)
            kind = obj.type.replace("_", " ")
            raise NotImplementedError(f"a {kind} of provider '{obj.provider_id}' cannot be unregistered")
        await unregister(self, obj)

    return unregister_object
