"""Serve one run config with upstream's application factory, in this process."""

import os

import uvicorn

from distribution.launch.config_search import ChosenConfig
from distribution.launch.errors import OK
from distribution.launch.gate import gate
from distribution.launch.ports import choose_port
from distribution.upstream.application import APPLICATION_FACTORY
from distribution.upstream.server_settings import server_settings, wished_address

HOST_VARIABLE = "LLAMA_STACK_HOST"
"""The environment variable that comes before the run config's `server.host`."""


def serve(config: ChosenConfig, port_argument: int | None) -> int:
    """Verify, then serve until SIGTERM or SIGINT, and return the exit code.

    Raises SystemExit: 78 when the config is wrong, uvicorn's code when the server cannot start.
    """
    wished_host, configured_port = wished_address(config.path)
    chosen_host = os.environ.get(HOST_VARIABLE)
    host = chosen_host or wished_host
    port = choose_port(port_argument, os.environ, configured_port)
    gate.listens_on(host, port.number, None)
    gate.verify(config)
    settings = server_settings(config.path)
    # Upstream's factory, here and in every worker, reads the path from its own variable.
    os.environ["LLAMA_STACK_CONFIG"] = str(config.path)
    uvicorn.run(
        APPLICATION_FACTORY,
        factory=True,
        host=chosen_host or settings.host,
        port=port.number,
        workers=settings.workers,
        lifespan="on",
        log_config=None,
        **settings.tls_options(),
    )
    return OK
