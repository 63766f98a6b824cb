"""The routes of files over HTTP, where contents stream: uploads without a spool file, downloads with ranges.

llama-stack's own routes stay behind these. Its middleware (authentication, quota, tracing, CORS) is in front
of both, and users and error answers are made with its functions.
"""

import base64
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from llama_stack.core.request_headers import request_provider_data_context, user_from_scope
from llama_stack.core.server.server import translate_exception
from llama_stack.log import get_logger
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from providers.api_routes import routes_of
from providers.files import byte_range, content_disposition
from providers.files.checked_reader import CheckedReader
from providers.files.early_answer import EarlyAnswer
from providers.files.housekeeping import keep_house
from providers.files.multipart_form import MAX_FRAMING_BYTES, UploadForm
from providers.files.provider import FileObject, FilesProvider
from providers.files.records import FileRecord
from providers.files.service import FileService
from providers.files.upload_fields import missing_file, parse_fields
from providers.lifespan import run_alongside

log = get_logger(name=__name__, category="files")

_SERVER_ERROR = 500

Endpoint = Callable[[Request], Awaitable[Response]]


def install(app: FastAPI, files: object) -> None:
    """Serve the contents of ``files`` as streams, and look after them while the application runs.

    ``files`` is the stack's provider of files; one that is not of this package is left alone.
    """
    if not isinstance(files, FilesProvider):
        return
    routes = _FileRoutes(files.service)
    _put_in_front(app, "openai_upload_file", "POST", routes.upload, Middleware(EarlyAnswer))
    _put_in_front(app, "openai_retrieve_file_content", "GET", routes.download)
    run_alongside(app, lambda: keep_house(files.service.storage, files.config))


def _put_in_front(app: FastAPI, name: str, method: str, endpoint: Endpoint, *middleware: Middleware) -> None:
    """Add a route before each of llama-stack's for the API method ``name``."""
    for route in routes_of(app, name):
        app.router.routes.insert(0, Route(route.path, _as_upstream(endpoint), methods=[method], middleware=middleware))


def _as_upstream(endpoint: Endpoint) -> Endpoint:
    """Do around an endpoint what llama-stack does around a provider's method."""

    async def handle(request: Request) -> Response:
        user: Any = user_from_scope(dict(request.scope))
        with request_provider_data_context(dict(request.headers), user):
            try:
                return await endpoint(request)
            except RequestValidationError:
                raise
            except ClientDisconnect:
                return Response()  # Nobody is there to read it.
            except Exception as error:
                answer = translate_exception(error)
                if isinstance(answer, HTTPException) and answer.status_code >= _SERVER_ERROR:
                    log.exception(f"{request.method} {request.url.path} failed")
                raise answer from error

    return handle


class _FileRoutes:
    def __init__(self, service: FileService) -> None:
        self._service = service

    async def upload(self, request: Request) -> Response:
        """Store the file of a form while it comes in."""
        if (length := request.headers.get("content-length", "")).isdecimal():
            self._service.storage.require_allowed(int(length) - MAX_FRAMING_BYTES)
        form = UploadForm(request.headers.get("content-type", ""), request.stream())
        await form.begin()
        if form.filename is None:
            raise missing_file(form.fields)
        if "purpose" in form.fields:
            parse_fields(form.fields)  # A mistake is better reported before the file is sent.
        file = await self._service.add(form.filename, form.content(), lambda: parse_fields(form.fields))
        return JSONResponse(FileObject.from_record(file).model_dump(mode="json"))

    async def download(self, request: Request) -> Response:
        """Send the content of a file, or a range of it."""
        file = await self._service.find(request.path_params["file_id"])
        try:
            asked = _requested_range(request, file)
        except byte_range.NotSatisfiable:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{file.bytes}"})
        start, stop = asked or (0, file.bytes)
        headers = _headers(file) | {"Content-Length": str(stop - start)}
        status = 200
        if asked:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.bytes}"
            status = 206
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        reader = await self._service.open(file, start, stop)
        return _ContentResponse(self._service, file, reader, status, headers)


class _ContentResponse(StreamingResponse):
    """Closes the reader also when the client goes away.

    A damage found on the way breaks the connection off: the client sees that the content is not complete.
    """

    def __init__(
        self,
        service: FileService,
        file: FileRecord,
        reader: CheckedReader,
        status: int,
        headers: dict[str, str],
    ) -> None:
        self._blocks = service.storage.blocks(file, reader)
        super().__init__(self._blocks, status, headers)

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._blocks):
            await super().stream_response(send)


def _headers(file: FileRecord) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": content_disposition.attachment(file.filename),
        "Content-Type": "application/octet-stream",
    }
    if file.sha256:
        digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
        headers |= {"ETag": _etag(file.sha256), "Repr-Digest": f"sha-256=:{digest}:"}
    return headers


def _requested_range(request: Request, file: FileRecord) -> tuple[int, int] | None:
    """Return None for the whole content; raises ``NotSatisfiable``."""
    if not (wanted := request.headers.get("range")):
        return None
    condition = request.headers.get("if-range")
    if condition and not (file.sha256 and condition == _etag(file.sha256)):
        return None
    return byte_range.parse(wanted, file.bytes)


def _etag(sha256: str) -> str:
    return f'"{sha256}"'
