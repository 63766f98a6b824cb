"""``remote::s3-files``: contents in a bucket."""

from typing import Any

from llama_stack.apis.datatypes import Api
from llama_stack.core.access_control.datatypes import AccessRule

from providers.files.config import S3FilesConfig
from providers.files.provider import FilesProvider
from providers.files.s3.bucket import Bucket


async def get_provider_impl(config: S3FilesConfig, deps: dict[Api, Any], policy: list[AccessRule]) -> FilesProvider:
    """Make the provider, as llama-stack asks for it."""
    provider = FilesProvider(config, Bucket(config), policy)
    await provider.initialize()
    return provider
