"""What every front must answer, whatever its framework, its mode and its policy: one function for each exchange."""

import json
from collections.abc import Callable

from integrations.bad_exchanges import (
    ANONYMOUS,
    a_bad_bearer_token_beside_a_live_credential,
    a_malformed_cookie,
    another_scheme_beside_a_cookie,
    forged_credentials,
    oversized_cookies,
    repeated_headers,
)
from integrations.fronts.front import SCOPE
from integrations.visitor import CROSS_SITE, SAME_ORIGIN, Login, Visitor, result

UNSAFE = "POST"
Exchange = Callable[[Visitor], None]


def anonymous_requests(visitor: Visitor) -> None:
    answer = visitor.ask("/private")
    assert result(answer) == (401, "unauthenticated")
    assert answer.values(b"www-authenticate") == [b"Bearer"]
    assert answer.values(b"content-type") == [b"application/problem+json"]
    assert answer.values(b"cache-control") == [b"no-store"]
    assert result(visitor.ask("/private?access_token=x")) == (401, "unauthenticated")
    assert result(visitor.ask("/public")) == ANONYMOUS
    assert result(visitor.ask("/public", CROSS_SITE, method=UNSAFE)) == ANONYMOUS


def a_head_request(visitor: Visitor) -> None:
    answer = visitor.ask("/private", method="HEAD")
    assert (answer.status, answer.body) == (401, b"")
    login = visitor.signup()
    assert visitor.ask("/private", *login.headers, method="HEAD").status == 200


def a_login(visitor: Visitor) -> None:
    login = visitor.signup()
    for path in ("/private", "/public", "/private"):
        assert result(visitor.ask(path, *login.headers)) == (200, login.sid)


def a_token_in_the_query(visitor: Visitor) -> None:
    login = visitor.signup()
    token = login.headers[0][1].rpartition(b" ")[2].rpartition(b"=")[2].decode()
    for name in ("access_token", "token", "session"):
        assert result(visitor.ask(f"/private?{name}={token}")) == (401, "unauthenticated")


def two_callers_in_turn(visitor: Visitor) -> None:
    first, second = visitor.signup(), visitor.signup()
    for login in (first, second, first, second, second, first):
        for path in ("/private", "/public"):
            assert result(visitor.ask(path, *login.headers)) == (200, login.sid)
        assert result(visitor.ask("/public")) == ANONYMOUS


def a_missing_scope(visitor: Visitor) -> None:
    login = visitor.signup()
    for _ in range(2):
        answer = visitor.ask("/admin", *login.headers)
        assert result(answer) == (403, "forbidden")
    assert b"insufficient_scope" in answer.values(b"www-authenticate")[0]
    assert result(visitor.ask("/private", *login.headers)) == (200, login.sid)


def a_granted_scope(visitor: Visitor) -> None:
    login = visitor.signup(scope=SCOPE)
    for path in ("/admin", "/private", "/admin"):
        assert result(visitor.ask(path, *login.headers)) == (200, login.sid)
    other = visitor.signup()
    assert result(visitor.ask("/admin", *other.headers)) == (403, "forbidden")


def a_list_of_sessions(visitor: Visitor) -> None:
    login, other = visitor.signup(), visitor.signup()
    for each in (login, other):
        answer = visitor.ask("/auth/sessions", *each.headers)
        assert [session["sid"] for session in json.loads(answer.body)["sessions"]] == [each.sid]
        assert json.loads(visitor.ask("/auth/session", *each.headers).body)["sid"] == each.sid


def a_page_of_sessions(visitor: Visitor) -> None:
    first, second = visitor.twice()
    page = json.loads(visitor.ask("/auth/sessions?limit=1", *second.headers).body)
    rest = json.loads(visitor.ask(f"/auth/sessions?limit=1&after={page['next']}", *second.headers).body)
    assert {each["sid"] for each in page["sessions"] + rest["sessions"]} == {first.sid, second.sid}
    assert "next" not in rest
    for query in ("limit=0", "limit=x", "after=x", f"after={first.sid}"):
        answer = visitor.ask(f"/auth/sessions?{query}", *second.headers)
        assert result(answer) == (400, "invalid_member")


def a_recent_authentication(visitor: Visitor) -> None:
    login = visitor.signup()
    assert result(visitor.ask("/fresh", *login.headers)) == (200, login.sid)
    visitor.clock.seconds += 301
    answer = visitor.ask("/fresh", *login.headers)
    assert result(answer) == (403, "step_up_required")
    assert b"insufficient_user_authentication" in answer.values(b"www-authenticate")[0]
    assert result(visitor.ask("/private", *login.headers)) == (200, login.sid)


def an_unsafe_request(visitor: Visitor) -> None:
    login = visitor.signup()
    for path in ("/private", "/public"):
        accepted = visitor.ask(path, *login.headers, *login.csrf, SAME_ORIGIN, method=UNSAFE)
        assert result(accepted) == (200, login.sid)
        without = result(visitor.ask(path, *login.headers, SAME_ORIGIN, method=UNSAFE))
        assert without == ((403, "csrf_token_required") if visitor.case.needs_csrf_token else (200, login.sid))


def a_csrf_token_of_another_session(visitor: Visitor) -> None:
    login, other = visitor.signup(), visitor.signup()
    expected = (403, "csrf_token_required") if visitor.case.needs_csrf_token else (200, login.sid)
    for path in ("/private", "/public"):
        sent = visitor.ask(path, *login.headers, *other.csrf, SAME_ORIGIN, method=UNSAFE)
        assert result(sent) == expected


def a_request_of_another_site(visitor: Visitor) -> None:
    login = visitor.signup()
    assert result(visitor.ask("/private", *login.headers, CROSS_SITE)) == (200, login.sid)
    expected = (403, "cross_origin") if visitor.case.is_cookie else (200, login.sid)
    for path in ("/private", "/public"):
        for _ in range(2):
            sent = visitor.ask(path, *login.headers, *login.csrf, CROSS_SITE, method=UNSAFE)
            assert result(sent) == expected
    forged = visitor.ask("/private", *login.headers, (b"origin", b"https://evil.example"), method=UNSAFE)
    assert result(forged)[0] == (403 if visitor.case.is_cookie else 200)


def a_logout(visitor: Visitor) -> None:
    login, other = visitor.signup(), visitor.signup()
    assert result(visitor.ask("/private", *login.headers)) == (200, login.sid)
    visitor.logout(login)
    _expect_dead(visitor, login, "token_revoked")
    assert result(visitor.ask("/private", *other.headers)) == (200, other.sid)


def a_logout_of_every_device(visitor: Visitor) -> None:
    login, other = visitor.signup(), visitor.signup()
    for each in (login, other):
        assert result(visitor.ask("/private", *each.headers)) == (200, each.sid)
    visitor.logout(login, "/auth/logout-all")
    _expect_dead(visitor, login, "token_revoked")
    assert result(visitor.ask("/private", *other.headers)) == (200, other.sid)


def a_logout_of_the_other_devices(visitor: Visitor) -> None:
    lost, own = visitor.twice()
    other = visitor.signup()
    for each in (lost, own, other):
        assert result(visitor.ask("/private", *each.headers)) == (200, each.sid)
    if visitor.case.is_cookie:
        crossed = visitor.ask("/auth/logout-others", *own.headers, *own.csrf, CROSS_SITE, method="POST")
        assert result(crossed) == (403, "cross_origin")
        assert result(visitor.ask("/private", *lost.headers)) == (200, lost.sid)
    visitor.logout(own, "/auth/logout-others")
    _expect_dead(visitor, lost, "token_revoked")
    assert result(visitor.ask("/private", *other.headers)) == (200, other.sid)
    if visitor.case.deliver == "cookie":
        assert result(visitor.ask("/private", *own.headers)) == (200, own.sid)
    else:
        _expect_dead(visitor, own, "token_revoked")  # an access token of before: the session refreshes it


def a_ban_by_an_administrator(visitor: Visitor) -> None:
    admin, user = visitor.signup(), visitor.signup()
    for path in ("/auth/accounts/disable", "/auth/accounts/enable"):
        documents: list[dict[str, object]] = [{"subject": user.subject}, {"subject": "nobody"}, {}]
        for document in documents:
            answer = visitor.post(path, document, *admin.headers, *admin.csrf, SAME_ORIGIN)
            assert result(answer) == (403, "forbidden")
    visitor.appoint(admin)
    assert result(visitor.ask("/private", *user.headers)) == (200, user.sid)
    disable = ("/auth/accounts/disable", {"subject": user.subject}, *admin.headers)
    if visitor.case.is_cookie:
        assert result(visitor.post(*disable, *admin.csrf, CROSS_SITE)) == (403, "cross_origin")
    if visitor.case.needs_csrf_token:
        assert result(visitor.post(*disable, SAME_ORIGIN)) == (403, "csrf_token_required")
    assert result(visitor.ask("/private", *user.headers)) == (200, user.sid)
    for path, is_disabled in ((disable[0], True), ("/auth/accounts/enable", False)):
        done = visitor.post(path, {"subject": user.subject}, *admin.headers, *admin.csrf, SAME_ORIGIN)
        assert (done.status, json.loads(done.body)["disabled"]) == (200, is_disabled)
        _expect_dead(visitor, user, "token_revoked")
    assert result(visitor.ask("/private", *admin.headers)) == (200, admin.sid)


def an_expired_credential(visitor: Visitor) -> None:
    login = visitor.signup()
    assert result(visitor.ask("/private", *login.headers)) == (200, login.sid)
    visitor.clock.seconds += 400 * 24 * 3600
    _expect_dead(visitor, login, "session_ended" if visitor.case.deliver == "cookie" else "token_expired")


def a_login_with_a_dead_credential(visitor: Visitor) -> None:
    dead = visitor.signup()
    visitor.logout(dead)
    document = {"email": f"again-{dead.sid}@example.com", "password": "unrelated gravel thistle moss"}
    sent = dead.headers if visitor.case.is_cookie else ()
    login = visitor.login_of(visitor.post("/auth/signup", document | {"deliver": visitor.case.deliver}, *sent))
    assert result(visitor.ask("/private", *login.headers)) == (200, login.sid)


def _expect_dead(visitor: Visitor, login: Login, code: str) -> None:
    for _ in range(2):
        assert result(visitor.ask("/private", *login.headers)) == (401, code)
        expected = ANONYMOUS if visitor.case.is_cookie else (401, code)
        assert result(visitor.ask("/public", *login.headers)) == expected


EXCHANGES: dict[str, Exchange] = {
    each.__name__: each
    for each in (
        anonymous_requests,
        a_head_request,
        a_login,
        a_token_in_the_query,
        two_callers_in_turn,
        a_missing_scope,
        a_granted_scope,
        a_list_of_sessions,
        a_page_of_sessions,
        a_recent_authentication,
        an_unsafe_request,
        a_csrf_token_of_another_session,
        a_request_of_another_site,
        a_logout,
        a_logout_of_every_device,
        a_logout_of_the_other_devices,
        a_ban_by_an_administrator,
        an_expired_credential,
        a_login_with_a_dead_credential,
        forged_credentials,
        a_bad_bearer_token_beside_a_live_credential,
        another_scheme_beside_a_cookie,
        a_malformed_cookie,
        oversized_cookies,
        repeated_headers,
    )
}
