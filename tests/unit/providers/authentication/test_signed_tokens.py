"""Signed tokens get those in whom the issuer means, and the issuer is asked for its keys when there is a reason."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from llama_stack.core.datatypes import OAuth2JWKSConfig, OAuth2TokenAuthConfig, User

from providers.authentication import key_set
from providers.authentication.errors import AuthenticationUnavailable, NotAuthenticated
from providers.authentication.oauth2 import OAuth2TokenAuthProvider
from tests.support import identity_provider
from tests.support.identity_provider import AUDIENCE, ISSUER, IdentityProvider

IN_2100 = 4_102_444_800
"""Seconds since 1970."""

Ask = Callable[..., list[User | Exception]]


@pytest.fixture
def issuer() -> Iterator[IdentityProvider]:
    with identity_provider.serve() as provider:
        yield provider


@pytest.fixture
def ask(issuer: IdentityProvider) -> Ask:
    """Validate tokens one after the other in a server of its own; a token may be a function that makes one."""

    def ask(*tokens: str | Callable[[], str], **config: Any) -> list[User | Exception]:
        jwks = OAuth2JWKSConfig(uri=issuer.url, **config.pop("jwks", {}))
        all_config = {"issuer": ISSUER, "audience": AUDIENCE} | config
        provider = OAuth2TokenAuthProvider(OAuth2TokenAuthConfig(jwks=jwks, **all_config))

        async def all_of_them() -> list[User | Exception]:
            found: list[User | Exception] = []
            for token in tokens:
                try:
                    found.append(await provider.validate_token(token if isinstance(token, str) else token()))
                except (NotAuthenticated, AuthenticationUnavailable) as error:
                    found.append(error)
            await provider.close()
            return found

        return asyncio.run(all_of_them())

    return ask


def refused(outcome: User | Exception, reason: str) -> bool:
    return isinstance(outcome, NotAuthenticated) and reason in str(outcome)


def test_a_token_says_who_its_owner_is(issuer: IdentityProvider, ask: Ask) -> None:
    token = issuer.token("alice", groups=["red", "blue", "red", 7, {"no": "group"}], username="alice admin")
    assert ask(token) == [
        User("alice", {"roles": ["alice", "alice admin"], "teams": ["red", "blue", "7"]}),
    ]
    assert issuer.fetched == 1


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"lifetime": -60}, "it has expired"),
        ({"nbf": IN_2100}, "it is not valid yet"),
        ({"aud": "somebody-else"}, "another audience"),
        ({"aud": None}, "it lacks a claim"),
        ({"iss": "https://issuer.test/realms/other"}, "another issuer"),
        ({"iss": None}, "it lacks a claim"),
        ({"subject": None}, "it lacks a claim"),
        ({"subject": ""}, "it names no user"),
        ({"subject": 7}, "it is no token of the issuer's"),
        ({"subject": ["alice"]}, "it is no token of the issuer's"),
        ({"exp": "tomorrow"}, "it is no token of the issuer's"),
        ({"key_id": "unheard-of"}, "the issuer has no such key"),
    ],
)
def test_what_does_not_fit_gets_nobody_in(
    issuer: IdentityProvider, ask: Ask, claims: dict[str, Any], reason: str
) -> None:
    (outcome,) = ask(issuer.token(**claims))
    assert refused(outcome, reason), outcome


def test_clocks_may_be_some_seconds_apart(issuer: IdentityProvider, ask: Ask) -> None:
    now = int(time.time())
    outcomes = ask(issuer.token(lifetime=-10), issuer.token(iat=now + 10, nbf=now + 10))
    assert [outcome.principal for outcome in outcomes if isinstance(outcome, User)] == ["alice", "alice"]


def test_the_issuer_is_not_asked_about_where_none_is_named(issuer: IdentityProvider, ask: Ask) -> None:
    (outcome,) = ask(issuer.token(iss="https://issuer.test/realms/other"), issuer=None)
    assert isinstance(outcome, User)


def test_a_token_cannot_choose_how_it_is_checked(issuer: IdentityProvider, ask: Ask) -> None:
    ((name, key),) = issuer.keys.items()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "mallory", "exp": int(time.time()) + 60}
    header, body = ({"alg": alg, "kid": name} for alg in ("none", "HS256")), json.dumps(claims).encode()
    none, hs256 = (f"{_encoded(json.dumps(one).encode())}.{_encoded(body)}" for one in header)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(hs256.encode(), public)
    assert [refused(one, "") for one in ask(f"{none}.", f"{hs256}.{_encoded(signed)}")] == [True, True]


def test_a_published_secret_is_no_key(issuer: IdentityProvider, ask: Ask) -> None:
    secret = b"published-by-mistake-and-32-bytes"
    issuer.published = [{"kty": "oct", "kid": "shared", "alg": "HS256", "k": _encoded(secret)}]
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "mallory", "exp": int(time.time()) + 60}
    (outcome,) = ask(jwt.encode(claims, secret, algorithm="HS256", headers={"kid": "shared"}))
    assert refused(outcome, "the issuer has no such key")


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "ES256", "ES384", "EdDSA"])
def test_every_kind_of_key_is_taken(issuer: IdentityProvider, ask: Ask, algorithm: str) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 60}
    key: Any
    if algorithm.startswith("ES"):
        key = ec.generate_private_key(ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1())
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())
    elif algorithm == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
        public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())
    issuer.published = [{**json.loads(public), "kid": "new"}]
    (outcome,) = ask(jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "new"}))
    assert isinstance(outcome, User), outcome


def test_a_key_signs_as_it_says_and_not_for_encryption(issuer: IdentityProvider, ask: Ask) -> None:
    token = issuer.token()
    ((name, key),) = issuer.keys.items()
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    issuer.keys = {}
    issuer.published = [{**own, "kid": name, "alg": "PS256"}]
    assert refused(ask(token)[0], "it is signed in a way that is not taken")
    issuer.published = [{**own, "kid": name, "use": "enc"}, {"kty": "quantum"}, {**own, "kid": name, "alg": "RSA-OAEP"}]
    assert refused(ask(token)[0], "the issuer has no such key")


def test_a_token_may_name_no_key_where_there_is_one(issuer: IdentityProvider, ask: Ask) -> None:
    (key,) = issuer.keys.values()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 60}
    token = jwt.encode(claims, key, algorithm="RS256")
    assert isinstance(ask(token)[0], User)
    issuer.keys["another"] = key
    assert refused(ask(token)[0], "the issuer has no such key")


NO_TOKENS = [
    "x",
    "a.b.c",
    "....",
    f"{base64.urlsafe_b64encode(b'[' * 30_000).decode()}.e30.x",
    f"{base64.urlsafe_b64encode(json.dumps({'alg': 'RS256', 'kid': ['x']}).encode()).decode()}.e30.x",
    f"{base64.urlsafe_b64encode(json.dumps({'alg': 7, 'kid': 'x'}).encode()).decode()}.e30.x",
    f"{base64.urlsafe_b64encode(b'null').decode()}.e30.x",
    f"{base64.urlsafe_b64encode(b'{' + b'9' * 5000 + b'}').decode()}.e30.x",
]


@pytest.mark.parametrize("token", NO_TOKENS, ids=range(len(NO_TOKENS)))
def test_what_is_no_token_gets_nobody_in(ask: Ask, token: str) -> None:
    assert refused(ask(token)[0], "")


def test_tokens_with_unknown_keys_do_not_have_the_keys_fetched_each_time(issuer: IdentityProvider, ask: Ask) -> None:
    outcomes = ask(*(issuer.token(key_id=f"made-up-{number}") for number in range(20)), issuer.token())
    assert [isinstance(outcome, User) for outcome in outcomes] == [False] * 20 + [True]
    assert issuer.fetched == 1


def test_a_new_key_is_found(issuer: IdentityProvider, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_set, "SECONDS_BETWEEN_TRIES", 0)
    old = issuer.token()

    def with_a_new_key() -> str:
        issuer.rotate()
        return issuer.token()

    outcomes = ask(old, with_a_new_key, old)
    assert [isinstance(outcome, User) for outcome in outcomes] == [True, True, False]


def test_an_issuer_that_is_down_is_no_mistake_of_the_client(
    issuer: IdentityProvider, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def while_it_is_down() -> str:
        issuer.down = True
        return issuer.token()

    assert isinstance(ask(while_it_is_down)[0], AuthenticationUnavailable)
    issuer.down = False
    monkeypatch.setattr(key_set, "SECONDS_BETWEEN_TRIES", 0)
    # Keys that are there serve on; whether there is a new one nobody can say.
    outcomes = ask(issuer.token(), while_it_is_down, issuer.token(key_id="new"))
    assert [type(outcome) for outcome in outcomes] == [User, User, AuthenticationUnavailable]


@pytest.mark.parametrize("document", [[], {"keys": "none"}, {}, "text"])
def test_an_address_without_keys_is_no_mistake_of_the_client(document: Any) -> None:
    with pytest.raises(AuthenticationUnavailable):
        key_set.keys_of(document)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
