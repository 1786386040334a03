"""JWTs of another type, signed with the keys of access tokens and with all their claims: nowhere an access token."""

from typing import Any

import msgspec
import pytest

from keyturn.errors import TokenInvalid
from keyturn.tokens import KeySet, decode_base64url, verify_compact
from keyturn.verifier import Verifier
from web.browser import SERVICE_TOKEN, Browser, document, text

TYPES = ("JWT", "logout+jwt", "oauth-authz-req+jwt", "")


def retype(browser: Browser, access_token: str, typ: str, **changed: Any) -> str:
    claims = msgspec.json.decode(decode_base64url(access_token.split(".")[1].encode()))
    return browser.ports.signer.sign(claims | changed, browser.now, typ)


@pytest.mark.parametrize("typ", TYPES)
@pytest.mark.conforms("RFC 8725 3.11", "RFC 9068 4")
def test_a_token_of_another_type_is_refused_where_an_access_token_is_expected(browser: Browser, typ: str) -> None:
    access_token = text(browser.signup("tokens"), "access_token")
    token, service = retype(browser, access_token, typ), browser.other()
    assert service.get("/auth/session", token).status == 401
    assert service.post("/auth/logout", token=token).status == 401
    assert document(service.form("/auth/introspect", {"token": token}, SERVICE_TOKEN)) == {"active": False}
    assert document(service.form("/auth/revoke", {"token": token}))["revoked"] is False
    assert service.get("/auth/session", access_token).status == 200


@pytest.mark.parametrize("typ", TYPES)
def test_a_token_of_another_type_is_refused_by_a_verifier(browser: Browser, typ: str) -> None:
    access_token = text(browser.signup("tokens"), "access_token")
    keys = KeySet.from_jwks(browser.get("/.well-known/jwks.json").body)
    verify = Verifier("https://auth.example.com", "orders", keys=keys, clock=lambda: browser.now)
    assert verify(access_token)
    for _ in range(2):
        with pytest.raises(TokenInvalid, match="typ is"):
            verify(retype(browser, access_token, typ))


def test_an_id_token_has_its_own_type_and_audience(browser: Browser) -> None:
    access_token = text(browser.signup("tokens"), "access_token")
    id_token = retype(browser, access_token, "JWT", aud="mobile-app")
    keys = KeySet.from_jwks(browser.get("/.well-known/jwks.json").body)
    claims = msgspec.json.decode(verify_compact(id_token, keys, "JWT"))
    assert claims["aud"] == "mobile-app"
    for other, typ in ((access_token, "JWT"), (id_token, "at+jwt"), (id_token, None)):
        with pytest.raises(TokenInvalid, match="typ is"):
            verify_compact(other, keys, typ)
