"""Authentication: switched on by variables, without the holes of upstream's, and routes that can be switched off."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from distribution.overlay.declaration import change

if TYPE_CHECKING:
    from fastapi import FastAPI

CONFIG = "llama_stack.core.datatypes"
PROVIDERS = "llama_stack.core.server.auth_providers"

BY_VARIABLES = (
    "A run config cannot switch authentication on by a variable, keep tokens in a file, or switch off routes that "
    "nobody uses: `server.auth` wants a type and knows no `route_policy`."
)


@change(f"{CONFIG}:AuthProviderConfig", why=BY_VARIABLES, reference="llamastack/llama-stack#4448", fixed_in="0.6.0")
def provider_config(original: Any) -> Any:
    from typing import Annotated, Union, get_args

    from pydantic import Field

    from providers.authentication.config import StaticTokenAuthConfig

    types = get_args(get_args(original)[0])
    return Annotated[Union[*types, StaticTokenAuthConfig], Field(discriminator="type")]


@change(f"{CONFIG}:AuthenticationConfig", why=BY_VARIABLES, reference="llamastack/llama-stack#4448", fixed_in="0.6.0")
def authentication_config(original: Any) -> Any:
    from llama_stack.core import datatypes
    from pydantic import Field, field_validator

    from providers.authentication.config import is_off, without_empty_fields
    from providers.authentication.route_policy import RouteAccessRule

    class AuthenticationConfig(datatypes.AuthenticationConfig):
        """Is false where nobody has to authenticate, as no `auth` is."""

        provider_config: datatypes.AuthProviderConfig | None = None  # type: ignore[assignment]
        route_policy: list[RouteAccessRule] = Field(default_factory=list)

        @field_validator("provider_config", mode="before")
        @classmethod
        def _of_one_type(cls, value: Any) -> Any:
            return None if is_off(value) else without_empty_fields(value)

        def __bool__(self) -> bool:
            return self.provider_config is not None

    return AuthenticationConfig


@change(f"{CONFIG}:ServerConfig", why=BY_VARIABLES, reference="llamastack/llama-stack#4448", fixed_in="0.6.0")
def server_config(original: Any) -> Any:
    from llama_stack.core import datatypes

    class ServerConfig(datatypes.ServerConfig):
        """Has our authentication."""

        auth: datatypes.AuthenticationConfig | None = None

    return ServerConfig


@change(f"{CONFIG}:StackRunConfig", why=BY_VARIABLES, reference="llamastack/llama-stack#4448", fixed_in="0.6.0")
def run_config(original: Any) -> Any:
    from llama_stack.core import datatypes
    from pydantic import Field

    class StackRunConfig(datatypes.StackRunConfig):
        """Has our server's configuration."""

        server: datatypes.ServerConfig = Field(default_factory=lambda: datatypes.ServerConfig())

    return StackRunConfig


@change(
    "llama_stack.core.server.server:AuthenticationMiddleware",
    why="Each wrong token logs a traceback, and the answer tells what the service behind says, in a body that OpenAI's "
    "clients do not read. Every request is a 500 where the service of type `custom` knows no attributes. A token that "
    "names nobody lets in as if authentication were off.",
    reference="llamastack/llama-stack#5715",
    fixed_in="ogx 1.0.0 in part",
    advisory="answers-to-strangers",
)
def middleware(original: Any) -> Any:
    from providers.authentication.middleware import Authentication

    return Authentication


@change(
    f"{PROVIDERS}:OAuth2TokenAuthProvider",
    why="The algorithm that a token's signature is checked with is the one that the token names. A token that names an "
    "unknown key has the issuer's keys fetched again, while everybody waits. An issuer that is down is a 401. "
    "`verify_tls` does not hold for introspection.",
    reference="llamastack/llama-stack#5603, #5710, #5715",
    fixed_in="ogx 1.2.0 in part",
    advisory="token-validation",
)
def oauth2(original: Any) -> Any:
    from providers.authentication.oauth2 import OAuth2TokenAuthProvider

    return OAuth2TokenAuthProvider


@change(
    f"{PROVIDERS}:CustomAuthProvider",
    why="The service of type `custom` gets all headers: cookies, and the keys of X-LlamaStack-Provider-Data. One that "
    "is down is a 401.",
    reference="llamastack/llama-stack#5715",
    fixed_in="ogx 1.0.0 in part",
    advisory="headers-passed-on",
)
def custom(original: Any) -> Any:
    from providers.authentication.services import CustomAuthProvider

    return CustomAuthProvider


@change(
    f"{PROVIDERS}:GitHubTokenAuthProvider",
    why="A GitHub user's organizations are never asked for, so that rules for teams mean nobody. GitHub being down is "
    "a 401.",
    reference="llamastack/llama-stack#5711, #5715",
    fixed_in="ogx 1.0.0",
)
def github(original: Any) -> Any:
    from providers.authentication.services import GitHubTokenAuthProvider

    return GitHubTokenAuthProvider


@change(
    f"{PROVIDERS}:KubernetesAuthProvider",
    why="A Kubernetes API that is down is a 401, with what it says in the answer.",
    reference="llamastack/llama-stack#5715",
    fixed_in="ogx 1.0.0",
)
def kubernetes(original: Any) -> Any:
    from providers.authentication.services import KubernetesAuthProvider

    return KubernetesAuthProvider


@change(f"{PROVIDERS}:create_auth_provider", takes=("config",), why=BY_VARIABLES)
def create_auth_provider(create: Callable[[Any], Any]) -> Any:
    from providers.authentication.config import StaticTokenAuthConfig
    from providers.authentication.static import StaticTokenAuthProvider

    def create_auth_provider(config: Any) -> Any:
        if isinstance(config.provider_config, StaticTokenAuthConfig):
            return StaticTokenAuthProvider(config.provider_config)
        return create(config)

    return create_auth_provider


@change(
    "llama_stack.providers.inline.batches.reference.batches:ReferenceBatchesImpl.create_batch",
    takes=("self", "input_file_id", "endpoint", "completion_window", "metadata", "idempotency_key"),
    why="A batch would reach routes that `server.auth.route_policy` forbids.",
    reference="ogx-ai/ogx#6482, #6485",
    fixed_in="ogx 1.4.0",
)
def create_batch(original: Callable[..., Awaitable[Any]]) -> Any:
    async def create_batch(
        self: Any,
        input_file_id: str,
        endpoint: str,
        completion_window: Any,
        metadata: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        from llama_stack.core.request_headers import get_authenticated_user

        from providers.authentication.route_policy import in_force, is_allowed

        if not is_allowed(in_force.get(), endpoint, get_authenticated_user()):
            raise PermissionError(f"{endpoint} is switched off, or not for you.")
        return await original(self, input_file_id, endpoint, completion_window, metadata, idempotency_key)

    return create_batch


@change(
    "llama_stack.core.server.server:StackApp",
    why="`server.quota` counts before authentication, so that `authenticated_max_requests` holds for nobody and all "
    "count by their addresses; it would keep their tokens. Here it counts by user, and keeps names.",
    advisory="quota-keeps-tokens",
)
def application(original: Any) -> Any:
    from llama_stack.core.server import server
    from llama_stack.core.server.quota import QuotaMiddleware

    class StackApp(server.StackApp):
        """Has the quota behind everything that is added before it."""

        def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
            super().add_middleware(middleware_class, *args, **kwargs)
            if middleware_class is QuotaMiddleware:
                self.user_middleware.append(self.user_middleware.pop(0))  # the first is the outermost

    return StackApp


def switch_off_routes(app: "FastAPI", auth: Any) -> None:
    """Let `server.auth.route_policy` decide, behind everything else; what is off is not in the OpenAPI document."""
    if auth is None or not auth.route_policy:
        return
    from starlette.middleware import Middleware

    from providers.authentication.middleware import RoutePolicy
    from providers.authentication.route_policy import is_for_nobody

    app.user_middleware.append(Middleware(RoutePolicy, policy=auth.route_policy))
    make_document = app.openapi

    def openapi() -> dict[str, Any]:
        document = make_document()
        paths = {
            path: of_path for path, of_path in document["paths"].items() if not is_for_nobody(auth.route_policy, path)
        }
        return {**document, "paths": paths}

    app.openapi = openapi  # type: ignore[method-assign]
