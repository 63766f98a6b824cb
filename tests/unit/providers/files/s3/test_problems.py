"""What an operator is told for each error of S3."""

import ssl

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from providers.files.config import S3FilesConfig
from providers.files.errors import StorageError
from providers.files.s3.problems import error_code, storage_errors

METADATA = {"backend": "sql_default", "table_name": "files_metadata"}
CONFIG = {"bucket_name": "b", "key_prefix": "team", "region": "eu-west-1", "metadata_store": METADATA}
ENDPOINT = "https://s3.internal:9000"
IN_REGION = "S3 in region eu-west-1"


def told(error: Exception, **options: str) -> tuple[str, list[str]]:
    """The message and the advice for an error of a request that needs s3:PutObject."""
    config = S3FilesConfig.model_validate(CONFIG | options)
    with pytest.raises(StorageError) as raised, storage_errors(config, "s3:PutObject"):
        raise error
    assert raised.value.__cause__ is error
    return str(raised.value), getattr(raised.value, "__notes__", [])


def refusal(code: str, message: str = "so it is") -> ClientError:
    """A request that S3 has refused."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "PutObject")


CREDENTIALS = "Check aws_access_key_id, aws_secret_access_key and aws_session_token, or the IAM role."
PERMISSIONS = "Files need s3:ListBucket on the bucket"


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("NoSuchBucket", f"There is no bucket 'b' at {IN_REGION}.", "Make it, or set auto_create_bucket: true."),
        *(
            (code, f"{IN_REGION} refuses the credentials ({code}: so it is).", CREDENTIALS)
            for code in (
                "AuthFailure",
                "ExpiredToken",
                "InvalidAccessKeyId",
                "InvalidClientTokenId",
                "InvalidToken",
                "SignatureDoesNotMatch",
                "TokenRefreshRequired",
                "UnrecognizedClientException",
            )
        ),
        *(
            (code, f"The permission s3:PutObject for 'b/team/*' is missing ({code}: so it is).", PERMISSIONS)
            for code in ("AccessDenied", "AllAccessDisabled", "403")
        ),
        *(
            (code, f"The bucket 'b' is not in region eu-west-1 ({code}: so it is).", "Set region.")
            for code in ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect")
        ),
        ("405", f"{IN_REGION} answers with status 405, and not as an S3 server does.", "Check endpoint_url."),
        ("502", f"{IN_REGION} answers with status 502, and not as an S3 server does.", "Check endpoint_url."),
        ("SlowDown", f"{IN_REGION} refuses a request for bucket 'b' (SlowDown: so it is).", None),
        ("", f"{IN_REGION} refuses a request for bucket 'b' (: so it is).", None),
    ],
)
def test_a_refusal_is_explained(code: str, message: str, advice: str | None) -> None:
    told_message, notes = told(refusal(code))

    assert told_message == message
    assert [note[: len(advice or "")] for note in notes] == ([advice] if advice else [])


@pytest.mark.parametrize(
    ("error", "message", "advice"),
    [
        (
            SSLError(endpoint_url=ENDPOINT, error=ssl.SSLError("self-signed")),
            f"The TLS certificate of {ENDPOINT} is not trusted: ",
            "Set verify to a file with the certificate of its CA.",
        ),
        *(
            (error, f"There are no credentials for {ENDPOINT}: {error}", "Set aws_access_key_id and")
            for error in (
                NoCredentialsError(),
                PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
                CredentialRetrievalError(provider="web identity", error_msg="expired"),
            )
        ),
        *(
            (error, f"{ENDPOINT} cannot be reached: {error}", "Check endpoint_url and region, and whether")
            for error in (
                EndpointConnectionError(endpoint_url=ENDPOINT),
                ConnectTimeoutError(endpoint_url=ENDPOINT),
                ReadTimeoutError(endpoint_url=ENDPOINT),
            )
        ),
        (ResponseParserError("<html>"), f"{ENDPOINT} does not answer as an S3 server does.", "Check endpoint_url."),
        (BotoCoreError(), f"{ENDPOINT} cannot be used: An unspecified error occurred", None),
        (ParamValidationError(report="bucket name"), f"{ENDPOINT} cannot be used: Parameter validation failed", None),
    ],
)
def test_a_failure_is_explained(error: Exception, message: str, advice: str | None) -> None:
    told_message, notes = told(error, endpoint_url=ENDPOINT)

    assert told_message.startswith(message)
    assert [note[: len(advice or "")] for note in notes] == ([advice] if advice else [])


def test_what_is_no_error_of_s3_passes() -> None:
    config = S3FilesConfig.model_validate(CONFIG)

    for error in (StorageError("known"), KeyError("unknown")):
        with pytest.raises(type(error)) as raised, storage_errors(config, "s3:GetObject"):
            raise error
        assert raised.value is error


@pytest.mark.parametrize(
    ("response", "code"), [({"Error": {"Code": "NoSuchKey"}}, "NoSuchKey"), ({"Error": {"Code": 404}}, "404"), ({}, "")]
)
def test_an_error_has_a_code(response: dict[str, dict[str, object]], code: str) -> None:
    assert error_code(ClientError(response, "GetObject")) == code  # type: ignore[arg-type]
