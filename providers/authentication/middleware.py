"""In front of every route: who asks, and whether there is such a route for them."""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from llama_stack.core import request_headers
from llama_stack.core.datatypes import AuthenticationConfig, User
from llama_stack.core.server import auth_providers
from llama_stack.core.server.routes import get_all_api_routes
from llama_stack.log import get_logger
from starlette._utils import get_route_path
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from providers.authentication.errors import AuthenticationUnavailable, NotAuthenticated
from providers.authentication.route_policy import RouteAccessRule, in_force, is_allowed

log = get_logger(name=__name__, category="core::auth")

NOT_SENT = "You did not send an API key. Send one as `Authorization: Bearer KEY`."
INCORRECT = (
    "Incorrect API key provided: it is unknown here, has expired, or is meant for another server. Whoever runs this "
    "server says where to get one."
)
UNAVAILABLE = "Nobody can say now whether your API key is right. Try again later."
SWITCHED_OFF = "This route is switched off, or not for you."

BEARER = re.compile(rb"bearer +([\x21-\x7e]+) *", re.IGNORECASE)
POLICY_VIOLATION = 1008
"""How a WebSocket is closed that is not let in."""


class Authentication:
    """ASGI middleware: lets nobody in without a token, but to the routes that upstream declares open.

    Whoever gets in is in the scope as upstream's own middleware has it: `principal`, `user_attributes`, and
    `authenticated_client_id` for quotas, which is the user's name and not the token.
    """

    def __init__(self, app: ASGIApp, auth_config: AuthenticationConfig, impls: Any) -> None:
        self._app = app
        self._provider: Any = auth_providers.create_auth_provider(auth_config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan" or self._is_open(scope):
            await self._app(scope, receive, send)
            return
        try:
            user = await self._user(scope)
        except NotAuthenticated as error:
            log.info("%s was not let in: %s", _who(scope), error)
            await _refuse(401, INCORRECT if _authorizations(scope) else NOT_SENT, scope, receive, send)
        except AuthenticationUnavailable as error:
            log.error("%s was not let in: %s", _who(scope), error)
            await _refuse(503, UNAVAILABLE, scope, receive, send)
        except Exception:
            log.exception("%s was not let in", _who(scope))
            await _refuse(503, UNAVAILABLE, scope, receive, send)
        else:
            scope["principal"] = user.principal
            scope["user_attributes"] = user.attributes or {}
            scope["authenticated_client_id"] = f"user:{user.principal}"
            await self._app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        return scope["type"] == "http" and scope["method"] == "GET" and get_route_path(scope) in self._open_paths

    @cached_property
    def _open_paths(self) -> set[str]:
        routes = [route for of_api in get_all_api_routes().values() for route in of_api]
        return {route.path for route, method in routes if method.require_authentication is False}

    async def _user(self, scope: Scope) -> User:
        authorizations = _authorizations(scope)
        if not authorizations:
            raise NotAuthenticated("there is no token")
        bearer = BEARER.fullmatch(authorizations[0])
        if len(authorizations) > 1 or not bearer:
            raise NotAuthenticated("the Authorization header is not `Bearer TOKEN`")
        user: User = await self._provider.validate_token(bearer[1].decode("ascii"), scope)
        if not user.principal:
            raise NotAuthenticated("the token names no user")  # who has no name would be everybody
        return user


class RoutePolicy:
    """ASGI middleware behind authentication: routes that are not for this user answer 403."""

    def __init__(self, app: ASGIApp, policy: Sequence[RouteAccessRule]) -> None:
        self._app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        user = request_headers.user_from_scope(dict(scope))
        if not is_allowed(self._policy, get_route_path(scope), user):
            await _refuse(403, SWITCHED_OFF, scope, receive, send)
            return
        token = in_force.set(self._policy)
        try:
            await self._app(scope, receive, send)
        finally:
            in_force.reset(token)


def _authorizations(scope: Scope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"authorization"]


def _who(scope: Scope) -> str:
    """Say who asks for what; what a client has written is quoted, so that it makes no line of its own."""
    address = scope["client"][0] if scope.get("client") else "somebody"
    path = repr(scope["path"]).replace("[", r"\x5b")  # a log line may be marked up
    return f"{scope.get('method', 'WEBSOCKET')} {path} from {address}"


async def _refuse(status: int, message: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as OpenAI's API does."""
    if scope["type"] == "websocket":
        await WebSocketClose(POLICY_VIOLATION)(scope, receive, send)
        return
    kinds: dict[int, tuple[str, Any]] = {
        401: ("invalid_request_error", "invalid_api_key"),
        403: ("permission_error", 403),
        503: ("server_error", 503),
    }
    kind, code = kinds[status]
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    await JSONResponse(body, status, headers)(scope, receive, send)
