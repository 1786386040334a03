"""What every front must answer to credentials that are forged, malformed, repeated or too large."""

from integrations.visitor import Visitor, result, with_cookies

ANONYMOUS = (200, None)


def forged_credentials(visitor: Visitor) -> None:
    login = visitor.signup()
    assert result(visitor.ask("/private", *login.headers)) == (200, login.sid)
    name, value = login.headers[0]
    if visitor.case.is_cookie:
        value = visitor.main_cookie(login)
    for forged in (value[:-8] + value[-8:].swapcase(), value + b"A", value[:-1], value[:40]):
        assert visitor.ask("/private", (name, forged)).status == 401
        assert result(visitor.ask("/public", (name, forged)))[0] == (200 if visitor.case.is_cookie else 401)
    assert result(visitor.ask("/private", *login.headers)) == (200, login.sid)


def a_bad_bearer_token_beside_a_live_credential(visitor: Visitor) -> None:
    login = visitor.signup()
    if not visitor.case.is_cookie:
        return
    assert result(visitor.ask("/private", *login.headers)) == (200, login.sid)
    for token in (b"Bearer x", b"Bearer", b"Bearer a b", b"bearer x.y.z", b"Bearer \xff"):
        for path in ("/private", "/public"):
            assert visitor.ask(path, *login.headers, (b"authorization", token)).status == 401


def another_scheme_beside_a_cookie(visitor: Visitor) -> None:
    basic = (b"authorization", b"Basic YTpi")
    assert result(visitor.ask("/private", basic)) == (401, "unauthenticated")
    assert result(visitor.ask("/public", basic)) == ANONYMOUS
    if visitor.case.is_cookie:
        login = visitor.signup()
        assert result(visitor.ask("/private", *login.headers, basic)) == (200, login.sid)


def a_malformed_cookie(visitor: Visitor) -> None:
    if not visitor.case.is_cookie:
        return
    login, other = visitor.signup(), visitor.signup()
    cookie = visitor.main_cookie(login)
    assert result(visitor.ask("/private", (b"cookie", cookie))) == (200, login.sid)
    name, _, value = cookie.partition(b"=")
    second = visitor.main_cookie(other)
    for text in (
        b"%s; %s" % (cookie, second),
        b"%s; a=1; %s" % (cookie, cookie),
        name + b"=",
        b'%s="%s"' % (name, value),
    ):
        spoiled = with_cookies(login, text)
        assert result(visitor.ask("/private", *spoiled.headers)) == (400, "bad_request")
        assert result(visitor.ask("/public", *spoiled.headers)) == ANONYMOUS
    look_alike = name.swapcase() + b"=" + value
    assert result(visitor.ask("/private", (b"cookie", look_alike))) == (401, "unauthenticated")
    assert result(visitor.ask("/public", (b"cookie", look_alike))) == ANONYMOUS


def oversized_cookies(visitor: Visitor) -> None:
    big = (b"cookie", b"a=" + b"x" * 17_000)
    for path in ("/private", "/public"):
        assert result(visitor.ask(path, big)) == (431, "headers_too_large")


def repeated_headers(visitor: Visitor) -> None:
    login = visitor.signup("tokens" if visitor.case.credentials != "session" else None)
    if login.headers[0][0] == b"authorization":
        assert visitor.ask("/private", *login.headers, *login.headers).status in (400, 401)
    assert visitor.ask("/private", *login.headers, (b"host", b"evil.example")).status == 400
