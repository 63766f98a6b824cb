"""Every launch path goes through the gate: the application factory, `llama stack run`, uvicorn and its workers."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distribution.launch.config_search import ChosenConfig
from distribution.launch.errors import BAD_CONFIG
from distribution.launch.gate import gate, is_worker, workers_to_start
from distribution.launch.ports import VARIABLE, is_service_address
from distribution.overlay.declaration import change
from distribution.upstream.application import APPLICATION_FACTORY


@change(
    "llama_stack.core.server.server:create_app",
    takes=(),
    why="Upstream says one fault of a run config at a time, as a traceback. Here all are said before anything starts, "
    "and what fails while it starts is reported alike; errors then answer with what OpenAI's clients read.",
)
def create_app(original: Any) -> Any:
    def create_app() -> Any:
        with gate.starting():
            from llama_stack.apis.datatypes import Api

            from distribution import lane
            from distribution.overlay.answers import answer_errors
            from distribution.overlay.authentication import switch_off_routes
            from providers.files.routes import install

            app = original()
            answer_errors(app)
            switch_off_routes(app, app.stack.run_config.server.auth)
            install(app, app.stack.impls.get(Api.files))
            lane.install(app, app.stack.impls.get(Api.inference))
            return app

    return create_app


@change(
    "llama_stack.cli.stack.run:StackRun._run_stack_run_cmd",
    takes=("self", "args"),
    why="`llama stack run` catches SystemExit, so that an exit code of the application factory becomes 0. It ends with "
    "a ValueError where Kubernetes has set LLAMA_STACK_PORT=tcp://... beside a Service called llama-stack.",
)
def run_command(original: Any) -> Any:
    if is_service_address(os.environ.get(VARIABLE, "")):
        del os.environ[VARIABLE]

    def run(self: Any, args: Any) -> None:
        if args.config and (path := _config_of_command(args.config)):
            from distribution.upstream.server_settings import wished_address

            gate.listens_on(wished_address(path)[0], args.port, None)
            gate.verify(ChosenConfig(path, "given to `llama stack run`"))
        original(self, args)
        gate.exit_if_failed()

    return run


def _config_of_command(name: str) -> Path | None:
    """Find the run config that `llama stack run NAME` means; None for one that is not there, which upstream says."""
    from distribution.upstream.run_config import distribution_config

    path = Path(name)
    try:
        path.stat()
    except PermissionError:
        return path  # verification says it
    except (OSError, ValueError):
        return distribution_config(name)
    return path if path.is_file() else distribution_config(name)


@change(
    "uvicorn.config:Config.load",
    takes=("self",),
    why="Only uvicorn knows where it is going to listen when the operator starts it; a port in use is a finding.",
)
def load(original: Callable[[Any], None]) -> Any:
    def load(self: Any) -> None:
        if self.app == APPLICATION_FACTORY and not is_worker():
            _note_address(self)
        original(self)

    return load


@change(
    "uvicorn.config:Config.bind_socket",
    takes=("self",),
    why="With several workers uvicorn opens the port before it calls the factory: a wrong config looks ready.",
)
def bind_socket(original: Callable[[Any], Any]) -> Any:
    def bind_socket(self: Any) -> Any:
        if self.app == APPLICATION_FACTORY:
            _note_address(self)
            gate.verify()
        return original(self)

    return bind_socket


def _note_address(config: Any) -> None:
    if config.uds is None and config.fd is None:
        gate.listens_on(config.host, config.port, config.workers)


@change(
    "uvicorn.supervisors.multiprocess:Multiprocess.run",
    takes=("self",),
    why="uvicorn's supervisor ends with 0 whatever its workers ended with, so that Kubernetes sees no failure.",
)
def run_workers(original: Callable[[Any], None]) -> Any:
    def run(self: Any) -> None:
        if self.config.app != APPLICATION_FACTORY:
            original(self)
            return
        gate.succeed()
        with workers_to_start():
            original(self)
        gate.exit_if_failed()

    return run


@change(
    "uvicorn.supervisors.multiprocess:Multiprocess.keep_subprocess_alive",
    takes=("self",),
    why="uvicorn starts a worker again and again that cannot start, unless it ends with uvicorn's own code 3.",
    reference="Kludex/uvicorn#3001",
)
def keep_subprocess_alive(original: Callable[[Any], None]) -> Any:
    def keep_subprocess_alive(self: Any) -> None:
        workers = list(self.processes)
        original(self)
        # Those that have ended by now, even if the supervisor has already put others in their place.
        if any(worker.process.exitcode == BAD_CONFIG for worker in workers):
            gate.failed = True
            self.should_exit.set()

    return keep_subprocess_alive
