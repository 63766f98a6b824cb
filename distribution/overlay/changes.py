"""What this distribution does otherwise than llama-stack 0.3.3.

Each function changes one module right after it has been imported; distribution.hooks calls them. Nothing here
imports llama-stack at the top, because uvicorn is hooked too.
"""

import functools
import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from distribution.config_search import ChosenConfig
from distribution.errors import BAD_CONFIG
from distribution.gate import gate, is_worker, workers_to_start

APPLICATION_FACTORY = "llama_stack.core.server.server:create_app"
OWN_REGISTRY = "providers.registry"
DISABLED = "__disabled__"


def change_registry(module: ModuleType) -> None:
    """llama_stack.core.distribution: add our provider types, and import no provider that is switched off."""
    original = module.get_provider_registry
    from_modules = module.get_external_providers_from_module

    def with_ours(registry: dict[Any, Any]) -> dict[Any, Any]:
        for api in module.Api:
            if own := _own_providers(api.value):
                registry.setdefault(api, {}).update({spec.provider_type: spec for spec in own})
        return registry

    def get_external_providers_from_module(registry: Any, config: Any, building: bool) -> Any:
        # Upstream imports the package of every external provider, of those that are off as well.
        if not building:
            on = {api: _enabled(api, providers) for api, providers in config.providers.items()}
            config = config.model_copy(update={"providers": on})
        return from_modules(with_ours(registry), config, building)

    @functools.wraps(original)
    def get_provider_registry(config: Any = None) -> Any:
        return with_ours(original(config))

    module.get_external_providers_from_module = get_external_providers_from_module  # type: ignore[attr-defined]
    module.get_provider_registry = get_provider_registry  # type: ignore[attr-defined]


def _enabled(api: str, providers: list[Any]) -> list[Any]:
    """Return the providers that are on; external ones that this image ships need not name their package."""
    from distribution.overlay.facts import shipped_module

    return [
        one.model_copy(update={"module": one.module or shipped_module(api, one.provider_type)})
        for one in providers
        if one.provider_id and one.provider_id != DISABLED
    ]


def _own_providers(api: str) -> list[Any]:
    name = f"{OWN_REGISTRY}.{api}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return []
        raise
    return list(module.available_providers())


def change_stack(module: ModuleType) -> None:
    """llama_stack.core.stack: collect what fails at start, live without services that are down."""
    from distribution.overlay import starting

    resolver = importlib.import_module("llama_stack.core.resolver")
    resolver.instantiate_provider = starting.collecting(resolver.instantiate_provider)  # type: ignore[attr-defined]
    module.resolve_impls = starting.reporting(module.resolve_impls)  # type: ignore[attr-defined]
    module.register_resources = starting.registering_one_by_one(module.register_resources)  # type: ignore[attr-defined]
    stack = module.Stack
    stack.initialize = starting.initializing(stack.initialize)
    stack.create_registry_refresh_task = starting.refreshing(stack.create_registry_refresh_task)


def change_health(module: ModuleType) -> None:
    """llama_stack.core.providers: GET /v1/providers says which services did not answer at start."""
    from distribution.overlay import starting

    implementation = module.ProviderImpl
    implementation.get_providers_health = starting.health_of_all(implementation.get_providers_health)


def change_server(module: ModuleType) -> None:
    """llama_stack.core.server.server: verify before the application is made, and report what it raises."""
    original = module.create_app
    expand = module.replace_env_vars

    @functools.wraps(original)
    def create_app() -> Any:
        with gate.starting():
            return original()

    @functools.wraps(expand)
    def replace_env_vars(config: Any, path: str = "") -> Any:
        return without_leftovers(expand(config, path))

    module.create_app = create_app  # type: ignore[attr-defined]
    module.replace_env_vars = replace_env_vars  # type: ignore[attr-defined]


def without_leftovers(config: Any) -> Any:
    """Take out what 0.3.3 would stumble over and what has a plain meaning all the same.

    Telemetry as an API with providers means `telemetry: {enabled: true}`; a directory of external providers
    or APIs that is not there holds none.
    """
    if not isinstance(config, dict):
        return config
    config = dict(config)
    providers, apis = config.get("providers"), config.get("apis")
    if isinstance(providers, dict) and "telemetry" in providers:
        entries = providers["telemetry"] if isinstance(providers["telemetry"], list) else []
        config["providers"] = {api: value for api, value in providers.items() if api != "telemetry"}
        if any(isinstance(entry, dict) and entry.get("provider_id") for entry in entries):
            config.setdefault("telemetry", {"enabled": True})
    if isinstance(apis, list):
        config["apis"] = [api for api in apis if api != "telemetry"]
    for key in ("external_providers_dir", "external_apis_dir"):
        if isinstance(config.get(key), str) and not Path(config[key]).expanduser().is_dir():
            del config[key]
    return config


def change_command_line(module: ModuleType) -> None:
    """llama_stack.cli.stack.run: verify first, and keep the exit code 78 that it would swallow."""
    from distribution.ports import VARIABLE, is_service_address

    if is_service_address(os.environ.get(VARIABLE, "")):
        del os.environ[VARIABLE]  # it would stop every `llama` command with a ValueError

    command = module.StackRun
    original = command._run_stack_run_cmd

    @functools.wraps(original)
    def run(self: Any, args: Any) -> None:
        if args.config:
            from distribution.overlay import facts

            path = Path(args.config)
            path = path if path.is_file() else facts.distribution_config(args.config) or path
            if path.is_file():
                from distribution.overlay.server_settings import wished_address

                gate.listens_on(wished_address(path)[0], args.port, None)
                gate.verify(ChosenConfig(path, "given to `llama stack run`"))
        original(self, args)
        gate.exit_if_failed()

    command._run_stack_run_cmd = run


def change_uvicorn_config(module: ModuleType) -> None:
    """uvicorn.config: learn where uvicorn will listen, and verify before several workers get a socket."""
    config = module.Config
    load, bind_socket = config.load, config.bind_socket

    @functools.wraps(load)
    def load_after_note(self: Any) -> None:
        if self.app == APPLICATION_FACTORY and not is_worker():
            _note_address(self)
        load(self)

    @functools.wraps(bind_socket)
    def bind_after_verifying(self: Any) -> Any:
        if self.app == APPLICATION_FACTORY:
            _note_address(self)
            gate.verify()
        return bind_socket(self)

    config.load, config.bind_socket = load_after_note, bind_after_verifying


def _note_address(config: Any) -> None:
    if config.uds is None and config.fd is None:
        gate.listens_on(config.host, config.port, config.workers)


def change_uvicorn_workers(module: ModuleType) -> None:
    """uvicorn.supervisors.multiprocess: stop instead of starting a worker again that cannot start."""
    supervisor = module.Multiprocess
    run, keep_alive = supervisor.run, supervisor.keep_subprocess_alive

    @functools.wraps(run)
    def run_verified(self: Any) -> None:
        if self.config.app != APPLICATION_FACTORY:
            run(self)
            return
        gate.succeed()
        with workers_to_start():
            run(self)
        gate.exit_if_failed()

    @functools.wraps(keep_alive)
    def keep_alive_unless_misconfigured(self: Any) -> None:
        workers = list(self.processes)
        keep_alive(self)
        # Those that have ended by now, even if the supervisor has already put others in their place.
        if any(worker.process.exitcode == BAD_CONFIG for worker in workers):
            gate.failed = True
            self.should_exit.set()

    supervisor.run, supervisor.keep_subprocess_alive = run_verified, keep_alive_unless_misconfigured
