"""Programs written by other people verify our access tokens from the live JWKS: iss, aud and typ checked."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from end_to_end.node import Ask, node
from server_process import ServerProcess, run_server
from server_process.process import PASSWORD

# RFC 9864 names the curve in the algorithm; until others read "Ed25519", "EdDSA" it is.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")

ALGORITHMS = ("RS256", "ES256", "EdDSA")


class Refused(Exception):
    """The other program said no."""


@pytest.fixture(scope="module", params=ALGORITHMS)
def signed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServerProcess, str]]:
    """Run a server for each algorithm, and yield it with one of its tokens."""
    data = tmp_path_factory.mktemp("signed") / "data"
    with run_server(data, algorithm=request.param, audience="orders") as server:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        yield server, httpx.post(server.url + "/auth/signup", json=body).json()["access_token"]


def by_pyjwt(token: str, server: ServerProcess, issuer: str, audience: str) -> dict[str, Any]:
    client = jwt.PyJWKClient(jwks_of(server))
    try:
        key = client.get_signing_key_from_jwt(token)
        read = jwt.decode_complete(token, key, algorithms=[algorithm_of(server)], issuer=issuer, audience=audience)
    except (jwt.PyJWTError, jwt.PyJWKClientError) as error:
        raise Refused from error
    assert read["header"]["typ"] == "at+jwt"
    return dict(read["payload"])


def by_joserfc(token: str, server: ServerProcess, issuer: str, audience: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(httpx.get(jwks_of(server)).json())
    registry = JWSRegistry(algorithms=[algorithm_of(server)])
    required = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer}, aud={"essential": True, "value": audience}, exp={"essential": True}
    )
    try:
        read = joserfc_jwt.decode(token, keys, registry=registry)
        required.validate(read.claims)
    except JoseError as error:
        raise Refused from error
    assert read.header["typ"] == "at+jwt"
    return dict(read.claims)


def by_jose(ask: Ask, token: str, server: ServerProcess, issuer: str, audience: str) -> dict[str, Any]:
    expected = {"issuer": issuer, "audience": audience, "algorithm": algorithm_of(server)}
    result = ask({"token": token, "jwks": jwks_of(server), **expected})
    if "refused" in result:
        raise Refused(result["refused"])
    return dict(result["payload"])


Read = Callable[[str, ServerProcess, str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def jose() -> Iterator[Read]:
    with node("verify.mjs") as ask:
        yield partial(by_jose, ask)


@pytest.fixture(params=["PyJWT", "joserfc", "jose"])
def read(request: pytest.FixtureRequest, jose: Read) -> Read:
    return {"PyJWT": by_pyjwt, "joserfc": by_joserfc, "jose": jose}[request.param]


def test_they_accept_our_tokens(read: Read, signed: tuple[ServerProcess, str]) -> None:
    server, token = signed
    claims = read(token, server, server.url, "orders")
    assert set(claims) >= {"sub", "sid", "gen", "jti", "iat", "exp", "client_id", "auth_time", "acr", "amr"}
    assert claims["exp"] - claims["iat"] == 600


def test_they_refuse_another_issuer_another_audience_and_a_changed_token(
    read: Read, signed: tuple[ServerProcess, str]
) -> None:
    server, token = signed
    head, payload, signature = token.split(".")
    changed = ".".join((head, payload[:-2] + ("AA" if payload[-2:] != "AA" else "BB"), signature))
    for asked in (
        (token, server, "https://elsewhere.example", "orders"),
        (token, server, server.url, "payments"),
        (changed, server, server.url, "orders"),
    ):
        with pytest.raises(Refused):
            read(*asked)


def jwks_of(server: ServerProcess) -> str:
    """Where the keys are, by the issuer's own metadata."""
    metadata = httpx.get(server.url + "/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == server.url
    return str(metadata["jwks_uri"])


def algorithm_of(server: ServerProcess) -> str:
    return server.settings["KEYTURN_ALGORITHM"]
