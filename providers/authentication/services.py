"""Tokens that a service is asked about: one of the operator's own, GitHub, Kubernetes."""

from typing import Any
from urllib.parse import parse_qs, urljoin

import httpx
from llama_stack.core.datatypes import CustomAuthConfig, GitHubTokenAuthConfig, KubernetesAuthProviderConfig, User
from pydantic import BaseModel, ValidationError

from providers.authentication.errors import AuthenticationUnavailable, NotAuthenticated
from providers.authentication.users import user
from providers.authentication.web import Service

KEPT_TO_ONESELF = ("authorization", "proxy-authorization", "cookie", "x-llamastack-provider-data")
"""Headers with secrets that are not for the service of type `custom`; the token itself it gets by another way."""

GITHUB_PAGE = 100
MOST_GITHUB_PAGES = 10


class Answer(BaseModel):
    """What a service of the operator's own says of a token that gets somebody in."""

    principal: str
    attributes: dict[str, list[str]] | None = None


class CustomAuthProvider:
    """Asks a service of the operator's own, in the format that upstream documents."""

    def __init__(self, config: CustomAuthConfig) -> None:
        self._endpoint = config.endpoint
        self._service = Service("the service that validates tokens")

    async def validate_token(self, token: str, scope: Any = None) -> User:
        """Return the user of a token. Raises NotAuthenticated, AuthenticationUnavailable."""
        asked = {"api_key": token, "request": _context(scope or {})}
        response = await self._service.request("POST", self._endpoint, json=asked)
        if response.is_client_error:
            raise NotAuthenticated("the service that validates tokens refuses it")
        if response.status_code != httpx.codes.OK:
            raise self._service.misbehaves(response)
        try:
            answer = Answer.model_validate(self._service.json(response))
        except ValidationError as error:
            raise AuthenticationUnavailable(
                f"the service that validates tokens answers without a principal, or not as documented: {_where(error)}"
            ) from error
        return user(answer.principal, {}, {}).model_copy(update={"attributes": answer.attributes or {}})

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()


def _context(scope: dict[str, Any]) -> dict[str, Any]:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", [])}
    return {
        "path": scope.get("path", ""),
        "headers": {name: value for name, value in headers.items() if name not in KEPT_TO_ONESELF},
        "params": parse_qs(scope.get("query_string", b"").decode("latin-1")),
    }


def _where(error: ValidationError) -> str:
    return ", ".join(".".join(map(str, fault["loc"])) or fault["type"] for fault in error.errors())


class GitHubTokenAuthProvider:
    """Asks GitHub whose a token is. Whoever has an account there gets in; access policies tell them apart."""

    def __init__(self, config: GitHubTokenAuthConfig) -> None:
        self._config = config
        self._service = Service("GitHub")

    async def validate_token(self, token: str, scope: Any = None) -> User:
        """Return the user of a token. Raises NotAuthenticated, AuthenticationUnavailable."""
        response = await self._ask("/user", token)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise NotAuthenticated("GitHub does not know it")
        if not response.is_success:
            raise self._service.misbehaves(response)
        account = self._service.json(response)
        if not isinstance(account, dict):
            raise AuthenticationUnavailable("GitHub answers with something that is no account")
        claims = {
            "login": account.get("login"),
            "id": str(account.get("id")),
            "organizations": await self._organizations(token),
        }
        return user(claims["login"], claims, self._config.claims_mapping)

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    async def _organizations(self, token: str) -> list[str]:
        """Return the organizations that the token may tell of: none, where it may not."""
        names: list[str] = []
        for page in range(1, MOST_GITHUB_PAGES + 1):
            response = await self._ask(f"/user/orgs?per_page={GITHUB_PAGE}&page={page}", token)
            if response.is_client_error:
                break
            if not response.is_success:
                raise self._service.misbehaves(response)
            found = self._service.json(response)
            entries = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
            names += [str(one["login"]) for one in entries if one.get("login")]
            if len(entries) < GITHUB_PAGE:
                break
        return names

    async def _ask(self, path: str, token: str) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github.v3+json",
            "User-Agent": "llama-stack",
        }
        return await self._service.request("GET", f"{self._config.github_api_base_url}{path}", headers=headers)


class KubernetesAuthProvider:
    """Asks a Kubernetes API server whose a token is, by a SelfSubjectReview."""

    def __init__(self, config: KubernetesAuthProviderConfig) -> None:
        self._config = config
        self._service = Service("the Kubernetes API", verify_tls=config.verify_tls, tls_cafile=config.tls_cafile)

    async def validate_token(self, token: str, scope: Any = None) -> User:
        """Return the user of a token. Raises NotAuthenticated, AuthenticationUnavailable."""
        response = await self._service.request(
            "POST",
            urljoin(self._config.api_server_url, "/apis/authentication.k8s.io/v1/selfsubjectreviews"),
            json={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
            headers={"Authorization": f"Bearer {token}"},
        )
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise NotAuthenticated("the Kubernetes API does not know it")
        if response.status_code != httpx.codes.CREATED:
            raise self._service.misbehaves(response)
        review = self._service.json(response)
        status = review.get("status") if isinstance(review, dict) else None
        info = status.get("userInfo") if isinstance(status, dict) else None
        if not isinstance(info, dict):
            raise AuthenticationUnavailable("the Kubernetes API answers without userInfo")
        return user(info.get("username"), info, self._config.claims_mapping)

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()
