"""What an error of S3 means for the operator."""

from collections.abc import Generator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from providers.files.config import S3FilesConfig
from providers.files.errors import StorageError

NO_SUCH_BUCKET = "NoSuchBucket"
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403"})
_BAD_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
_OTHER_REGION = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"})


def error_code(error: ClientError) -> str:
    """Return S3's name for an error, or the HTTP status if there is no name."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def storage_errors(config: S3FilesConfig, permission: str) -> Generator[None]:
    """Raise ``StorageError`` for what goes wrong in the block, which needs ``permission``."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error, config, permission) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise _failure(error, config) from error


def _failure(error: Exception, config: S3FilesConfig) -> StorageError:
    server = _server(config)
    match error:
        case SSLError():
            return StorageError(
                f"The TLS certificate of {server} is not trusted: {error}",
                "Set verify to a file with the certificate of its CA.",
            )
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError():
            return StorageError(
                f"There are no credentials for {server}: {error}",
                "Set aws_access_key_id and aws_secret_access_key, or give the pod an IAM role.",
            )
        case ConnectionError() | HTTPClientError():
            return StorageError(
                f"{server} cannot be reached: {error}",
                "Check endpoint_url and region, and whether the network lets this machine through.",
            )
        case ResponseParserError():
            return StorageError(f"{server} does not answer as an S3 server does.", "Check endpoint_url.")
        case _:
            return StorageError(f"{server} cannot be used: {error}")


def _refusal(error: ClientError, config: S3FilesConfig, permission: str) -> StorageError:
    server, bucket, code = _server(config), config.bucket_name, error_code(error)
    reason = f"{code}: {error.response.get('Error', {}).get('Message', '')}"
    if code == NO_SUCH_BUCKET:
        return StorageError(f"There is no bucket '{bucket}' at {server}.", "Make it, or set auto_create_bucket: true.")
    if code in _BAD_CREDENTIALS:
        return StorageError(
            f"{server} refuses the credentials ({reason}).",
            "Check aws_access_key_id, aws_secret_access_key and aws_session_token, or the IAM role.",
        )
    if code in DENIED:
        return StorageError(
            f"The permission {permission} for '{bucket}/{config.key_prefix}*' is missing ({reason}).",
            "Files need s3:ListBucket on the bucket, and s3:PutObject, s3:GetObject, s3:DeleteObject and "
            "s3:AbortMultipartUpload on its objects.",
        )
    if code in _OTHER_REGION:
        return StorageError(f"The bucket '{bucket}' is not in region {config.region} ({reason}).", "Set region.")
    if code.isdecimal():
        return StorageError(
            f"{server} answers with status {code}, and not as an S3 server does.", "Check endpoint_url."
        )
    return StorageError(f"{server} refuses a request for bucket '{bucket}' ({reason}).")


def _server(config: S3FilesConfig) -> str:
    return config.endpoint_url or f"S3 in region {config.region}"
