"""Starting llama-stack: everything that fails is collected, and what is merely down does not stop it."""

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from distribution.launch import garbage_collection
from distribution.launch.gate import StartupFailure, gate
from distribution.overlay.declaration import change
from distribution.upstream.application import APPLICATION_FACTORY
from distribution.verification import startup_findings
from distribution.verification.findings import Finding

log = logging.getLogger(__name__)

AsyncFunction = Callable[..., Awaitable[Any]]

SECONDS_BETWEEN_TRIES = 5.0
LONGEST_SECONDS_BETWEEN_TRIES = 60.0
REFRESH_FAILED = re.compile(r"Model refresh failed for provider (.+?): ")


class NotStarted:
    """Stands for a provider that failed, so that the others can be tried too."""

    def __init__(self, provider_id: str) -> None:
        self.__provider_id__ = provider_id


@dataclass
class Pending:
    """Something to do again until the service answers, such as registering a resource."""

    api: str
    provider_id: str
    again: Callable[[], Awaitable[Any]]


@dataclass
class Start:
    """One start of llama-stack in this process."""

    failures: list[Finding] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    # (api, provider id) -> why its service did not answer
    unreachable: dict[tuple[str, str], str] = field(default_factory=dict)

    def note_unreachable(self, api: str, provider_id: str, error: BaseException) -> None:
        """Say once that a service is down."""
        if (api, provider_id) not in self.unreachable:
            self.unreachable[api, provider_id] = startup_findings.root_cause(error)
            gate.say(startup_findings.unreachable(gate.subject(), api, provider_id, error))


current = Start()

GARBAGE = (
    "While it starts, Python looks for garbage among the objects made so far again and again; next to all of them stay."
)


@change("uvicorn.config:Config.load", takes=("self",), why=GARBAGE)
def load(original: Callable[[Any], None]) -> Any:
    def load(self: Any) -> None:
        if self.app != APPLICATION_FACTORY:
            original(self)
            return
        garbage_collection.put_off()
        original(self)
        garbage_collection.take_up()

    return load


@change("uvicorn.supervisors.multiprocess:Multiprocess.run", takes=("self",), why=GARBAGE)
def run_workers(original: Callable[[Any], None]) -> Any:
    def run(self: Any) -> None:
        garbage_collection.take_up()
        original(self)

    return run


@change(
    "llama_stack.core.routing_tables.models:logger",
    why="A service that is down is a warning every 300 seconds, twice at the start. Here it is said once that it is "
    "down, and once that it answers again.",
)
def models_logger(adapter: Any) -> Any:
    def not_said_already(record: logging.LogRecord) -> bool:
        refresh = REFRESH_FAILED.match(record.getMessage())
        return not (refresh and ("inference", refresh[1]) in current.unreachable)

    adapter.logger.addFilter(not_said_already)
    return adapter


@change(
    "llama_stack.core.resolver:instantiate_provider",
    takes=("provider", "deps", "inner_impls", "dist_registry", "run_config", "policy"),
    why="The first provider that does not start ends the start: a CrashLoopBackOff names one problem at a time.",
)
def instantiate_provider(instantiate: AsyncFunction) -> AsyncFunction:
    async def instantiate_provider(provider: Any, deps: Any, inner_impls: Any, *rest: Any, **options: Any) -> Any:
        api = provider.spec.api.value
        try:
            implementation = await instantiate(provider, deps, inner_impls, *rest, **options)
        except Exception as error:
            log.debug("provider %s of %s did not start", provider.provider_id, api, exc_info=error)
            consequence = any(isinstance(one, NotStarted) for one in [*deps.values(), *inner_impls.values()])
            if not consequence:
                current.failures.append(
                    startup_findings.provider_failure(gate.subject(), api, provider.provider_id, error)
                )
            return NotStarted(provider.provider_id)
        if api == "inference" and hasattr(implementation, "list_models"):
            _note_when_models_cannot_be_listed(implementation, provider.provider_id)
        return implementation

    return instantiate_provider


def _note_when_models_cannot_be_listed(implementation: Any, provider_id: str) -> None:
    """Upstream logs a warning when models cannot be listed and tries again after 300 s; we want to know."""
    list_models = implementation.list_models

    @functools.wraps(list_models)
    async def noting(*arguments: Any, **options: Any) -> Any:
        try:
            return await list_models(*arguments, **options)
        except Exception as error:
            if startup_findings.is_unreachable(error):
                current.note_unreachable("inference", provider_id, error)
            raise

    object.__setattr__(implementation, "list_models", noting)


@change(
    "llama_stack.core.stack:resolve_impls",
    takes=("run_config", "provider_registry", "dist_registry", "policy", "internal_impls"),
    why="What all providers raised is said together (see instantiate_provider).",
)
def resolve_impls(resolve: AsyncFunction) -> AsyncFunction:
    async def resolve_impls(*arguments: Any, **options: Any) -> Any:
        current.failures.clear()
        try:
            implementations = await resolve(*arguments, **options)
        except Exception:
            if current.failures:
                raise StartupFailure(current.failures) from None
            raise
        if current.failures:
            raise StartupFailure(current.failures)
        return implementations

    return resolve_impls


@change(
    "llama_stack.core.stack:register_resources",
    takes=("run_config", "impls"),
    why="A model that is registered with a service that is down keeps the whole server from starting. Here it is "
    "registered once the service answers, and all that is refused is said together.",
    reference="llamastack/llama-stack#5014",
    fixed_in="0.6.0 in part",
)
def register_resources(register: AsyncFunction) -> AsyncFunction:
    async def register_resources(run_config: Any, impls: dict[Any, Any]) -> None:
        resources = run_config.registered_resources
        failures = []
        for kind in type(resources).model_fields:
            for index, resource in enumerate(getattr(resources, kind)):
                only = type(resources)(**{kind: [resource]})
                again = functools.partial(register, run_config.model_copy(update={"registered_resources": only}), impls)
                provider_id = str(getattr(resource, "provider_id", "") or "")
                api = _api_of(kind)
                if (api, provider_id) in current.unreachable:
                    current.pending.append(Pending(api, provider_id, again))
                    continue
                try:
                    await again()
                except Exception as error:
                    if startup_findings.is_unreachable(error):
                        current.note_unreachable(api, provider_id, error)
                        current.pending.append(Pending(api, provider_id, again))
                    else:
                        log.debug("%s[%d] was not registered", kind, index, exc_info=error)
                        failures.append(startup_findings.resource_failure(gate.subject(), kind, index, error))
        if failures:
            raise StartupFailure(failures)

    return register_resources


def _api_of(kind: str) -> str:
    from distribution.upstream.apis import RESOURCES

    return RESOURCES[kind][0] if kind in RESOURCES else kind


@change(
    "llama_stack.core.stack:Stack.initialize",
    takes=("self",),
    why="GET /v1/providers asks a dict that was filled before the providers were made, and says of each that it does "
    "not implement a health check.",
)
def initialize(initialize: AsyncFunction) -> AsyncFunction:
    async def initialize_stack(self: Any) -> None:
        await initialize(self)
        for api, implementation in self.impls.items():
            if api.value in ("inspect", "providers"):
                implementation.deps = self.impls

    return initialize_stack


@change(
    "llama_stack.core.stack:Stack.create_registry_refresh_task",
    takes=("self",),
    why="A service that was down at the start is asked for its models again after 300 seconds at the earliest. Here "
    "what was down is tried again in the server's own event loop, after 5 seconds first.",
    reference="llamastack/llama-stack#5558",
    fixed_in="0.8.0 in part",
)
def create_registry_refresh_task(create_task: Callable[..., None]) -> Callable[..., None]:
    def create_registry_refresh_task(self: Any) -> None:
        create_task(self)
        if current.unreachable:
            self._recovery = asyncio.create_task(_recover(self.impls))

    return create_registry_refresh_task


async def _recover(impls: dict[Any, Any]) -> None:
    seconds = SECONDS_BETWEEN_TRIES
    while current.unreachable:
        await asyncio.sleep(seconds)
        seconds = min(seconds * 1.5, LONGEST_SECONDS_BETWEEN_TRIES)
        for pending in list(current.pending):
            await _try_again(pending)
        waiting = {(pending.api, pending.provider_id) for pending in current.pending}
        for api, provider_id in [key for key in current.unreachable if key not in waiting]:
            await _take_up(impls, api, provider_id)


async def _take_up(impls: dict[Any, Any], api: str, provider_id: str) -> None:
    try:
        is_back = await _models_are_listed(impls, provider_id)
    except Exception as error:
        # The service answers and our own database may not; nothing is over as long as it can be tried again.
        log.warning("the models of %s could not be stored: %s", provider_id, startup_findings.root_cause(error))
        return
    if is_back:
        del current.unreachable[api, provider_id]
        log.info("the service behind `%s` answers again", provider_id)


async def _try_again(pending: Pending) -> None:
    try:
        await pending.again()
    except Exception as error:
        if startup_findings.is_unreachable(error):
            return
        log.warning(
            "a resource of provider %s could not be registered: %s",
            pending.provider_id,
            startup_findings.root_cause(error),
        )
    current.pending.remove(pending)


async def _models_are_listed(impls: dict[Any, Any], provider_id: str) -> bool:
    for api, table in impls.items():
        if api.value == "models" and provider_id in table.impls_by_provider_id:
            try:
                models = await table.impls_by_provider_id[provider_id].list_models()
            except Exception:
                return False
            if models:
                table.listed_providers.add(provider_id)
                await table.update_registered_models(provider_id, models)
    return True
