"""The paths that a llama-stack server answers, as templates such as `/v1/files/{file_id}`."""

from functools import cache

from llama_stack.core.server.routes import get_all_api_routes

DOCUMENTATION = ("/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc")


@cache
def paths() -> tuple[str, ...]:
    """Return the paths of all of llama-stack's APIs, served or not, and those of the documentation."""
    of_apis = (route.path for routes in get_all_api_routes().values() for route, _ in routes)
    return (*dict.fromkeys(of_apis), *DOCUMENTATION)
