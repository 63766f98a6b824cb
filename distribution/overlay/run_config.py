"""The run config as the server reads it: what llama-stack would stumble over, and has a plain meaning all the same."""

import os
from typing import Any

from distribution.overlay.declaration import change
from distribution.verification.expansion import DISABLED


@change(
    "llama_stack.core.server.server:replace_env_vars",
    takes=("config", "path"),
    why="`telemetry` among the APIs or the providers, as configs for 0.2.x have it, ends the start with "
    "`KeyError: <Api.telemetry>`, and a directory of external providers that is not there with FileNotFoundError. Of "
    "an API that takes one provider all that are on are started, and the last is used.",
    reference="llamastack/llama-stack#3815, #3897",
)
def replace_env_vars(original: Any) -> Any:
    def replace_env_vars(config: Any, path: str = "") -> Any:
        return without_leftovers(original(config, path))

    return replace_env_vars


def without_leftovers(config: Any) -> Any:
    """Take out what has a plain meaning in llama-stack without being part of it.

    Telemetry as an API with providers means `telemetry: {enabled: true}`; a directory of external providers
    or APIs that is not there holds none; of an API that takes one provider the last that is on is meant.
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
    if isinstance(config.get("providers"), dict):
        config["providers"] = {api: _only_the_last(api, value) for api, value in config["providers"].items()}
    if isinstance(apis, list):
        config["apis"] = [api for api in apis if api != "telemetry"]
    for key in ("external_providers_dir", "external_apis_dir"):
        if isinstance(config.get(key), str) and not os.path.isdir(os.path.expanduser(config[key])):
            del config[key]
    return config


def _only_the_last(api: str, entries: Any) -> Any:
    from distribution.upstream.apis import ALL_APIS, ROUTED_APIS

    if not isinstance(entries, list) or api in ROUTED_APIS or api not in ALL_APIS:
        return entries
    off = (None, "", DISABLED)
    on = [entry for entry in entries if isinstance(entry, dict) and entry.get("provider_id") not in off]
    return [entry for entry in entries if entry is on[-1] or entry not in on] if on else entries
