"""Providers of the files API."""

from llama_stack.apis.datatypes import Api
from llama_stack.providers.datatypes import InlineProviderSpec, ProviderSpec

_METADATA_DRIVERS = ["sqlalchemy[asyncio]", "aiosqlite", "asyncpg"]


def available_providers() -> list[ProviderSpec]:
    """Return the providers of this API."""
    return [
        InlineProviderSpec(
            api=Api.files,
            provider_type="inline::files",
            pip_packages=["python-multipart", *_METADATA_DRIVERS],
            module="providers.files.local",
            config_class="providers.files.config.LocalFilesConfig",
            description="Files on a local disk: streamed, verified, safe against crashes.",
        ),
        # Not a RemoteProviderSpec, because llama-stack hands its access policy to inline providers only.
        InlineProviderSpec(
            api=Api.files,
            provider_type="remote::s3-files",
            pip_packages=["python-multipart", "boto3", *_METADATA_DRIVERS],
            module="providers.files.s3",
            config_class="providers.files.config.S3FilesConfig",
            description="Files in an S3 bucket: streamed, verified, safe against crashes.",
        ),
    ]
