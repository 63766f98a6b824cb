"""The S3 client that a config asks for."""

from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from providers.files.config import S3FilesConfig
from providers.files.errors import StorageError

_CONNECTIONS = 32


def connect(config: S3FilesConfig) -> Any:
    """Return a boto3 client for the work, which is patient and may be used by many threads.

    Raises ``StorageError`` if the certificates to trust cannot be read.
    """
    if isinstance(config.verify, str) and not Path(config.verify).is_file():
        raise StorageError(f"There is no file {config.verify}, which verify names.", "Mount it there.")
    retries = {"mode": "standard", "total_max_attempts": config.max_attempts}
    return _client(config, config.connect_timeout_secs, config.read_timeout_secs, retries)


def connect_impatiently(config: S3FilesConfig, timeout_secs: float) -> Any:
    """Return a boto3 client that tries once."""
    return _client(config, timeout_secs, timeout_secs, {"mode": "standard", "total_max_attempts": 1})


def _client(config: S3FilesConfig, connect_timeout: float, read_timeout: float, retries: dict[str, object]) -> Any:
    options: dict[str, Any] = {
        "connect_timeout": connect_timeout,
        "read_timeout": read_timeout,
        "retries": retries,
        "s3": {"addressing_style": config.addressing_style},
        "max_pool_connections": _CONNECTIONS,
        "tcp_keepalive": True,
    }
    if config.endpoint_url:
        # Many servers do not know the checksums that boto3 sends to AWS; the signature covers the payload, too.
        options |= {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    secret, token = config.aws_secret_access_key, config.aws_session_token
    session: Any = boto3.session.Session()
    return session.client(
        "s3",
        region_name=config.region,
        endpoint_url=config.endpoint_url,
        verify=config.verify,
        aws_access_key_id=config.aws_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        aws_session_token=token.get_secret_value() if token else None,
        config=Config(**options),
    )
