"""A resource server that knows nothing but the issuer's URL: accept, revoke, refused within the bound."""

import time

import pytest

from end_to_end.curl import Curl, bearer
from keyturn import Verifier
from keyturn.errors import Refusal, RevocationUnknown, Unavailable
from server_process import ServerProcess
from server_process.revocation import last_accepted_at

BOUND_SECONDS = 5.0
BUSY = (RevocationUnknown, Unavailable)
"""On a busy machine there may be no news in time, and so no acceptance."""


def test_it_accepts_and_then_refuses_within_the_bound(server: ServerProcess, mobile: Curl, ada: dict[str, str]) -> None:
    issued = mobile.post("/auth/login", {**ada, "deliver": "tokens"}).json
    verify = Verifier(server.url, audience=server.url)
    try:
        assert verify(issued["access_token"]).subject == issued["subject"]
        mobile("/auth/logout", "-X", "POST", *bearer(issued["access_token"]))
        revoked_at = time.monotonic()
        last = last_accepted_at(verify, issued["access_token"], tolerated=BUSY)
        # Holds at any speed: a verifier that has had no news for the bound accepts nothing.
        assert last <= revoked_at + BOUND_SECONDS
        fresh = mobile.post("/auth/login", {**ada, "deliver": "tokens"}).json
        assert verify(fresh["access_token"]).sid == fresh["sid"]
    finally:
        verify.close()


def test_a_refresh_token_or_a_cookie_is_no_access_token(
    server: ServerProcess, mobile: Curl, ada: dict[str, str]
) -> None:
    issued = mobile.post("/auth/login", {**ada, "deliver": "both"}).json
    verify = Verifier(server.url, audience=server.url)
    try:
        for credential in (issued["refresh_token"], issued["csrf_token"]):
            with pytest.raises(Refusal) as refused:
                verify(credential)
            assert refused.value.status == 401
    finally:
        verify.close()


def test_an_unreachable_issuer_is_503(server: ServerProcess, mobile: Curl, ada: dict[str, str]) -> None:
    token = mobile.post("/auth/login", {**ada, "deliver": "tokens"}).json["access_token"]
    verify = Verifier("http://127.0.0.1:1", audience=server.url)
    with pytest.raises(Unavailable) as unknown:
        verify(token)
    assert unknown.value.status == 503
