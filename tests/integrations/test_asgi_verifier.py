"""AuthMiddleware of a resource server, which has a verifier and no store."""

import json

import pytest

from integrations.guarded_app import ISSUER, App, Feed, GuardedIssuer, ask, bearer, cookie
from keyturn import AsyncVerifier, Verifier
from keyturn.core.revocation import ENDED, Revocation, RevocationKind
from keyturn.core.types import Instant
from keyturn.integrations.asgi import AuthMiddleware


@pytest.fixture(params=[Verifier, AsyncVerifier])
def guarded(request: pytest.FixtureRequest, issuer_app: GuardedIssuer) -> tuple[AuthMiddleware, App, Feed]:
    app, feed = App(), Feed()
    verifier = request.param(
        ISSUER,
        "orders",
        keys=issuer_app.parts.keyring._keys.published(issuer_app.parts.now()),
        feed=feed,
        clock=issuer_app.clock,
        monotonic=lambda: issuer_app.monotonic.now - 100,
    )
    return AuthMiddleware(app, verifier=verifier, optional=False), app, feed


def test_a_resource_server_knows_the_bearer(
    issuer_app: GuardedIssuer, guarded: tuple[AuthMiddleware, App, Feed]
) -> None:
    guard, app, feed = guarded
    issued = issuer_app.login()
    for _ in range(3):
        assert ask(guard, (b"accept", b"*/*"), bearer(issued), method="POST").status == 200
    assert {caller and caller.sid for caller in app.callers} == {issued.session.sid}
    now = Instant(int(issuer_app.clock.now))
    feed.revocations.apply(Revocation(RevocationKind.SESSION, issued.session.sid, ENDED, now, Instant(now + 600), 1))
    assert ask(guard, bearer(issued)).code == "token_revoked"


def test_a_resource_server_refuses_the_rest(
    issuer_app: GuardedIssuer, guarded: tuple[AuthMiddleware, App, Feed]
) -> None:
    guard, app, _ = guarded
    issued = issuer_app.login()
    ask(guard, bearer(issued))
    name, value = bearer(issued)
    assert ask(guard).code == "unauthenticated"
    assert ask(guard, cookie(issued)).code == "unauthenticated"
    assert ask(guard, (name, value), (name, value)).code == "bad_request"
    assert ask(guard, (name, b"Basic" + value[6:])).code == "unauthenticated"
    for bad in (value + b"\xe9", value + b"=" * 9000, value + b" x", b"Bearer "):
        assert ask(guard, (name, bad)).code == "token_malformed"
    assert ask(guard, (name, b"bearer  " + value[7:])).status == 200
    issuer_app.clock.now += 3600
    assert ask(guard, bearer(issued)).code == "token_expired"
    assert len(app.callers) == 2


def test_a_resource_server_links_to_the_error_page_of_its_issuer(guarded: tuple[AuthMiddleware, App, Feed]) -> None:
    problem = json.loads(ask(guarded[0]).body)
    assert problem["type"] == problem["docs"] == f"{ISSUER}/docs/errors#unauthenticated"


def test_a_stale_feed_of_a_resource_server_is_503(
    issuer_app: GuardedIssuer, guarded: tuple[AuthMiddleware, App, Feed]
) -> None:
    guard, _, _ = guarded
    issued = issuer_app.login()
    assert ask(guard, bearer(issued)).status == 200
    issuer_app.monotonic.now += 5.5
    assert ask(guard, bearer(issued)).code == "revocation_unknown"


def test_an_optional_resource_server_lets_strangers_in() -> None:
    app = App()
    guard = AuthMiddleware(app, verifier=AsyncVerifier(ISSUER, "orders", revocation="none"), optional=True)
    assert ask(guard).status == 200
    assert ask(guard, (b"authorization", b"Basic YTpi")).status == 200
    assert ask(guard, (b"cookie", b"__Host-kt_session=x")).status == 200
    assert ask(guard, (b"authorization", b"Bearer x y")).status == 401
    assert app.callers == [None, None, None]
