"""What this distribution does otherwise than llama-stack 0.3.3.

Each function changes one module right after it has been imported; distribution.hooks calls them. Nothing here
imports llama-stack at the top, because uvicorn is hooked too.
"""

import functools
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from distribution.launch.config_search import ChosenConfig
from distribution.launch.errors import BAD_CONFIG
from distribution.launch.gate import gate, is_worker, workers_to_start
from distribution.upstream.application import APPLICATION_FACTORY


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


def change_redaction(module: ModuleType) -> None:
    """llama_stack.core.utils.config: keep out of the log and of answers what verification takes for a secret."""
    from distribution.verification.masking import without_secrets

    module.redact_sensitive_fields = without_secrets  # type: ignore[attr-defined]


def change_vector_scores(module: ModuleType) -> None:
    """llama_stack.apis.vector_io.vector_io: a score for an exact match that JSON can say.

    Scores are one over the distance, infinite for none, and upstream answered 400.
    """
    original = module.QueryChunksResponse.__init__

    @functools.wraps(original)
    def initialize(self: Any, *, scores: list[float], **fields: Any) -> None:
        original(self, scores=[min(score, sys.float_info.max) for score in scores], **fields)

    module.QueryChunksResponse.__init__ = initialize


def change_inference_router(module: ModuleType) -> None:
    """llama_stack.core.routers.inference: put streamed log probabilities together, to store the completion.

    They come as the OpenAI client's objects, which llama-stack's model refused: the stream ended with an error.
    """
    original = module.OpenAIChoiceLogprobs

    def choice_logprobs(content: list[Any]) -> Any:
        return original(content=[token.model_dump() for token in content])

    module.OpenAIChoiceLogprobs = choice_logprobs  # type: ignore[attr-defined]


def change_server(module: ModuleType) -> None:
    """llama_stack.core.server.server: verify before the application is made, and report what it raises."""
    from distribution.overlay.answers import answer_errors, change_answers

    original = module.create_app
    expand = module.replace_env_vars
    change_answers(module)

    @functools.wraps(original)
    def create_app() -> Any:
        with gate.starting():
            from providers.files.routes import install

            app = original()
            answer_errors(app, module)
            install(app, app.stack.impls.get(module.Api.files))
            return app

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
        if isinstance(config.get(key), str) and not os.path.isdir(os.path.expanduser(config[key])):
            del config[key]
    return config


def change_command_line(module: ModuleType) -> None:
    """llama_stack.cli.stack.run: verify first, and keep the exit code 78 that it would swallow."""
    from distribution.launch.ports import VARIABLE, is_service_address

    if is_service_address(os.environ.get(VARIABLE, "")):
        del os.environ[VARIABLE]  # it would stop every `llama` command with a ValueError

    command = module.StackRun
    original = command._run_stack_run_cmd

    @functools.wraps(original)
    def run(self: Any, args: Any) -> None:
        if args.config:
            from distribution.upstream.run_config import distribution_config

            path = Path(args.config)
            path = path if path.is_file() else distribution_config(args.config) or path
            if path.is_file():
                from distribution.upstream.server_settings import wished_address

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
