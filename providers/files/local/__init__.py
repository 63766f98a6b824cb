"""``inline::files``: contents in a directory."""

from pathlib import Path
from typing import Any

from llama_stack.apis.datatypes import Api
from llama_stack.core.access_control.datatypes import AccessRule

from providers.files.config import LocalFilesConfig
from providers.files.local.directory import Directory
from providers.files.provider import FilesProvider


async def get_provider_impl(config: LocalFilesConfig, deps: dict[Api, Any], policy: list[AccessRule]) -> FilesProvider:
    """Make the provider, as llama-stack asks for it."""
    provider = FilesProvider(config, Directory(Path(config.storage_dir)), policy)
    await provider.initialize()
    return provider
