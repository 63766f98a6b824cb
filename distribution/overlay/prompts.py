"""Prompts, where no provider has them."""

from typing import Any

from distribution.overlay.declaration import change


@change(
    "llama_stack.core.stack:PromptServiceImpl",
    why="The service that has the prompts where the run config names no provider of them knows no users: everybody "
    "reads, changes and deletes them all. Where authentication is on, `inline::prompts` takes its place, in its store.",
    advisory="shared-by-default",
)
def prompt_service(original: Any) -> Any:
    def prompt_service(config: Any, deps: Any) -> Any:
        from providers.prompts.config import PromptsConfig
        from providers.prompts.provider import PromptsProvider

        run_config = config.run_config
        if not run_config.server.auth or any(one.provider_id for one in run_config.providers.get("prompts", [])):
            return original(config, deps)
        persistence = {"backend": run_config.storage.stores.metadata.backend}
        prompts = PromptsConfig.model_validate({"persistence": persistence})
        return PromptsProvider(prompts, run_config.server.auth.access_policy)

    return prompt_service
