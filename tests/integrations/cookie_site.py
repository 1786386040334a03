"""A site with a login server, a protected and a public page, and the cookies of its visitors in every condition."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from advisories.raw_http import OTHER, OTHER_PASSWORD, Answer, RawClient, make_client
from keyturn.integrations.asgi import PRINCIPAL, AuthMiddleware

CONFIGURATIONS = {
    "https": {"issuer": "https://auth.example.com"},
    "http, own prefix": {"issuer": "http://auth.example.com", "cookie_prefix": "shop_"},
}
DELIVERIES = {"session": "cookie", "access": "token-cookies", "refresh": "token-cookies", "device": "cookie"}
CREDENTIAL_ROLES = ("session", "access")
LOOK_ALIKES = ("kt_{}", "__Host-kt_{}", "__Secure-kt_{}", "__Host-KT_{}", "shop_{}", "__Host-shop_{}", "\u00a0{own}")

# The condition of a cookie that authenticates no request, with the answer of a protected route.
CONDITIONS = {
    "dead": (401, "token_revoked"),
    "forged": (401, "token_invalid"),
    "empty": (400, "bad_request"),
    "quoted": (400, "bad_request"),
    "outside the alphabet": (400, "bad_request"),
    "repeated": (400, "bad_request"),
    "beside a second one": (400, "bad_request"),
    "between quotes": (400, "bad_request"),
    "of another name": (401, "unauthenticated"),
}
_NUMBERS = itertools.count()


async def page(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the session id of the caller."""
    principal = scope[PRINCIPAL]
    body = json.dumps({"sid": principal and principal.sid}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


class CookieSite:
    """The site. ``wrap`` puts the optional middleware around everything, login included."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.policy = client.parts.config.profile.cookie
        public = AuthMiddleware(self._dispatch, issuer=client.issuer, optional=True)
        self._pages = {
            "/public": AuthMiddleware(page, issuer=client.issuer, optional=True),
            "/private": AuthMiddleware(page, issuer=client.issuer),
        }
        self._server = client.transport.app
        self._apps = {False: self._dispatch, True: public}

    def wrap(self, is_wrapped: bool) -> None:
        self.client.transport = httpx.ASGITransport(app=self._apps[is_wrapped], client=("203.0.113.9", 4711))

    async def _dispatch(self, scope: Any, receive: Any, send: Any) -> None:
        await self._pages.get(scope["path"], self._server)(scope, receive, send)

    def signup(self, deliver: str = "cookie") -> Answer:
        """Create an account of its own, without cookies."""
        return self.client.signup(f"user{next(_NUMBERS)}@example.com", deliver=deliver)

    def value(self, role: str, answer: Answer) -> str:
        return answer.cookies[self.policy.name(role)]

    def live(self, role: str) -> tuple[Answer, str]:
        answer = self.signup(DELIVERIES[role])
        return answer, self.value(role, answer)

    def dead(self, role: str) -> str:
        answer, value = self.live(role)
        cookies = "; ".join(f"{name}={each}" for name, each in answer.cookies.items())
        assert self.client.json("/auth/logout", {}, (b"cookie", cookies.encode())).status == 200
        return value

    def cookie(self, role: str, condition: str) -> str:
        """Return a Cookie header with the cookie of ``role`` in ``condition``."""
        name = self.policy.name(role)
        if condition == "dead":
            return f"{name}={self.dead(role)}"
        value = self.live(role)[1]
        head, middle, tail = value[:-24], value[-24:-8], value[-8:]
        return {
            "forged": f"{name}={head}{middle.swapcase()}{tail}",
            "empty": f"{name}=",
            "quoted": f'{name}="{value}"',
            "outside the alphabet": f"{name}={head} {tail}",
            "repeated": f"{name}={value}; a=1; {name}={value}",
            "beside a second one": f"{name}={value}; {name}={self.dead(role)}",
            "between quotes": f'a="x; {name}={value}; b=y"',
            "of another name": "; ".join(f"{each}={value}" for each in self.look_alikes(role)),
        }[condition]

    def look_alikes(self, role: str) -> list[str]:
        """Names of cookies that another host, another instance or a former configuration set."""
        own = self.policy.name(role)
        return [name for each in LOOK_ALIKES if (name := each.format(role, own=own)) != own]


@contextmanager
def open_site(**settings: str) -> Iterator[CookieSite]:
    with make_client(**settings) as client:
        site = CookieSite(client)
        site.wrap(False)
        client.signup()
        client.signup(OTHER, OTHER_PASSWORD)
        yield site


def jar_after(cookie: str, answer: Answer) -> bytes:
    """Return the Cookie header of a browser that sent ``cookie`` and received ``answer``. It keeps one of each name."""
    kept = dict(pair.strip(" ").partition("=")[::2] for pair in cookie.split(";"))
    for line in answer.values("set-cookie"):
        name, _, value = line.partition(";")[0].partition("=")
        kept.pop(name, None)
        if value:
            kept[name] = value
    return "; ".join(f"{name}={value}" for name, value in kept.items()).encode("latin-1")
