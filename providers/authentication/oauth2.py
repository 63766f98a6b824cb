"""Tokens of an issuer (type `oauth2_token`): signed ones, or ones that the issuer is asked about."""

from typing import Any

import jwt
from llama_stack.core.datatypes import OAuth2IntrospectionConfig, OAuth2JWKSConfig, OAuth2TokenAuthConfig, User

from providers.authentication.errors import AuthenticationUnavailable, NotAuthenticated
from providers.authentication.key_set import KeySet
from providers.authentication.users import user
from providers.authentication.web import Service

SECONDS_OF_LEEWAY = 30
"""How far the issuer's clock and ours may be apart."""

REASONS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is meant for another audience",
    jwt.InvalidIssuerError: "another issuer has made it",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.InvalidAlgorithmError: "it is signed in a way that is not taken",
    jwt.MissingRequiredClaimError: "it lacks a claim",
}


class OAuth2TokenAuthProvider:
    """Validates tokens as `server.auth.provider_config` says."""

    def __init__(self, config: OAuth2TokenAuthConfig) -> None:
        self._config = config
        self._service = Service("the issuer of tokens", verify_tls=config.verify_tls, tls_cafile=config.tls_cafile)
        self._keys = self._key_set(config.jwks) if config.jwks else None

    async def validate_token(self, token: str, scope: Any = None) -> User:
        """Return the user of a token. Raises NotAuthenticated, AuthenticationUnavailable."""
        if self._keys:
            claims = await self._signed_claims(token, self._keys)
            principal = claims["sub"]
        elif self._config.introspection:
            claims = await self._introspected(token, self._config.introspection)
            principal = claims.get("sub") or claims.get("username")
        else:
            raise AuthenticationUnavailable("neither keys nor introspection are configured")
        return user(principal, claims, self._config.claims_mapping)

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    def _key_set(self, jwks: OAuth2JWKSConfig) -> KeySet:
        headers = {"Authorization": f"Bearer {jwks.token}"} if jwks.token else {}
        return KeySet(self._service, jwks.uri, headers, jwks.key_recheck_period)

    async def _signed_claims(self, token: str, keys: KeySet) -> dict[str, Any]:
        try:
            key = await keys.find(jwt.get_unverified_header(token).get("kid"))
            # The algorithms are the key's: what the token says of itself counts for nothing.
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public_key,
                algorithms=list(key.algorithms),
                audience=self._config.audience,
                issuer=self._config.issuer,
                leeway=SECONDS_OF_LEEWAY,
                options={"require": ["sub"]},
            )
        # JSON may be nested too deep, numbers be infinite.
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise NotAuthenticated(REASONS.get(type(error), "it is no token of the issuer's")) from error
        return claims

    async def _introspected(self, token: str, introspection: OAuth2IntrospectionConfig) -> dict[str, Any]:
        """Ask the issuer, as RFC 7662 has it."""
        form = {"token": token}
        client = {"client_id": introspection.client_id, "client_secret": introspection.client_secret}
        options: dict[str, Any] = {"auth": (introspection.client_id, introspection.client_secret)}
        if introspection.send_secret_in_body:
            form, options = form | client, {}
        response = await self._service.request("POST", introspection.url, data=form, **options)
        if not response.is_success:
            raise self._service.misbehaves(response)  # of a wrong token it says 200 and `active: false`
        fields = self._service.json(response)
        if not (isinstance(fields, dict) and fields.get("active") is True):
            raise NotAuthenticated("the issuer says that it is not active")
        return fields
