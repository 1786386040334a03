"""CPU that authentication adds to an HTTP request, over the same bare ASGI application, called in this process."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starsessions import InMemoryStore, SessionAutoloadMiddleware, SessionMiddleware

from bench.figures import Figure, Goal
from bench.fixtures import AUDIENCE, ISSUER, open_sessions, session_cookie, settings, sqlite_url
from bench.sampling import Plan, Series, Side, alternate, pin_to_core, subtract_bare
from bench.tokens import KEYTURN, MAX_TOKENS, WHY, TokenFixture
from keyturn import AsyncIssuer, AsyncVerifier, KeySet
from keyturn.integrations.asgi import AuthMiddleware

App = Callable[..., Awaitable[None]]
Material = tuple[App, list[bytearray]]

CHAPTER = "CPU that authentication adds to a request"
FASTAPI, STARSESSIONS = "FastAPI + PyJWT", "starsessions, in memory"

_BODY = {"type": "http.response.body", "body": b"hello"}
# Headers of a browser.
BROWSER_HEADERS = [
    (b"host", b"auth.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"connection", b"keep-alive"),
    (b"sec-fetch-dest", b"document"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"same-origin"),
]


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Serve the bare ASGI application that middleware is measured over."""
    # A new list each time, because middleware appends to it.
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send(_BODY)


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None:
    return None


class Client:
    """Client that sends requests with one credential each, on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, header: bytes) -> None:
        self._loop = loop
        self._header = header

    def __call__(self, material: Material) -> None:
        self._loop.run_until_complete(self._all(*material))

    async def _all(self, app: App, credentials: list[bytearray]) -> None:
        header = self._header
        for credential in credentials:
            await app(_scope(header, credential), _receive, _send)


def _scope(header: bytes, credential: bytearray) -> dict[str, Any]:
    # New bytes each time, as a server creates them: Python has not cached their hash yet.
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [*BROWSER_HEADERS, (header, bytes(credential))],
        "client": ("203.0.113.7", 50000),
        "server": ("auth.example.com", 443),
    }


def steps(plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return plan.rounds


def measure(plan: Plan) -> list[Figure]:
    """Measure access tokens, then session cookies."""
    loop = asyncio.new_event_loop()
    try:
        with pin_to_core(), _issuers() as (memory, sqlite):
            sides = [*_bearer_sides(loop), *_cookie_sides(loop, memory, sqlite)]
            series = {each.name: each for each in alternate(sides, plan)}
            return _figures(series)
    finally:
        loop.close()


@contextmanager
def _issuers() -> Iterator[tuple[AsyncIssuer, AsyncIssuer]]:
    with sqlite_url() as url:
        memory, sqlite = AsyncIssuer.open(settings()), AsyncIssuer.open(settings(url))
        while not sqlite.parts.session_cache.is_fresh:
            time.sleep(0.01)
        try:
            yield memory, sqlite
        finally:
            asyncio.run(memory.close())
            asyncio.run(sqlite.close())


def _bearer_sides(loop: asyncio.AbstractEventLoop) -> list[Side]:
    fixture = TokenFixture.open("HS256", MAX_TOKENS)
    headers = [bytearray(b"Bearer " + token) for token in fixture.tokens]
    client = Client(loop, b"authorization")
    plain, authenticated = _fastapi(None), _fastapi(fixture)

    def repeat_headers(count: int) -> list[bytearray]:
        return headers[:1] * count

    def cached_token(count: int) -> Material:
        app = _guard(fixture)
        client((app, repeat_headers(1)))
        return app, repeat_headers(count)

    return [
        Side("bearer, bare", client, lambda count: (bare, repeat_headers(count))),
        Side("JWT, seen before", client, cached_token),
        Side("JWT, first seen", client, lambda count: (_guard(fixture), headers[:count]), MAX_TOKENS),
        Side("FastAPI, bare", client, lambda count: (plain, repeat_headers(count))),
        Side(FASTAPI, client, lambda count: (authenticated, repeat_headers(count))),
    ]


def _cookie_sides(loop: asyncio.AbstractEventLoop, memory: AsyncIssuer, sqlite: AsyncIssuer) -> list[Side]:
    client = Client(loop, b"cookie")
    cached, starsessions_cookie = _Cookies(memory, 1), bytearray(b"theme=dark; session=" + b"0" * 32)
    cached.guard = AuthMiddleware(bare, issuer=memory)
    client((cached.guard, cached.headers))
    sessions = _starsessions(starsessions_cookie)
    return [
        Side("cookie, bare", client, lambda count: (bare, cached.headers * count)),
        Side("cached", client, lambda count: (cached.guard, cached.headers * count)),
        Side("uncached, memory", client, _Cookies(memory, MAX_TOKENS).cold, MAX_TOKENS),
        Side("uncached, SQLite", client, _Cookies(sqlite, MAX_TOKENS).cold, MAX_TOKENS),
        Side(STARSESSIONS, client, lambda count: (sessions, [starsessions_cookie] * count)),
    ]


class _Cookies:
    """Session cookies of one issuer."""

    guard: AuthMiddleware

    def __init__(self, issuer: AsyncIssuer, count: int) -> None:
        self._issuer = issuer
        self._sessions = open_sessions(issuer.parts, count)
        self.headers = [bytearray(session_cookie(each, issuer.parts)) for each in self._sessions]

    def cold(self, count: int) -> Material:
        """Return the requests after a start: the session cache holds none of the sessions."""
        for each in self._sessions:
            self._issuer.parts.session_cache.evict(each.sid)
        return AuthMiddleware(bare, issuer=self._issuer), self.headers[:count]


def _guard(fixture: TokenFixture) -> AuthMiddleware:
    return AuthMiddleware(bare, verifier=AsyncVerifier(ISSUER, AUDIENCE, keys=KeySet([fixture.key]), feed=fixture.feed))


def _fastapi(fixture: TokenFixture | None) -> FastAPI:
    """Return FastAPI's tutorial application. Its response is plain text, so that only the dependency is added."""
    app = FastAPI()
    if fixture is None:

        @app.get("/")
        async def plain() -> PlainTextResponse:
            return PlainTextResponse("hello")

        return app
    public, bearer = fixture.public, HTTPBearer()

    async def claims(credentials: HTTPAuthorizationCredentials = Depends(bearer)) -> dict[str, Any]:  # noqa: B008
        try:
            return jwt.decode(credentials.credentials, public, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER)
        except jwt.InvalidTokenError:
            raise HTTPException(401) from None

    @app.get("/")
    async def authenticated(_claims: dict[str, Any] = Depends(claims)) -> PlainTextResponse:  # noqa: B008
        return PlainTextResponse("hello")

    return app


def _starsessions(cookie: bytearray) -> App:
    store = InMemoryStore()
    sid = cookie.decode().partition("session=")[2]
    asyncio.run(store.write(sid, b'{"subject": "subject", "auth_time": 1800000000}', lifetime=3600, ttl=3600))
    return SessionMiddleware(SessionAutoloadMiddleware(bare), store=store, lifetime=3600)


def _figures(series: dict[str, Series]) -> list[Figure]:
    fastapi = subtract_bare(series[FASTAPI], series["FastAPI, bare"])
    stars = subtract_bare(series[STARSESSIONS], series["cookie, bare"])
    keyturn = {
        work: subtract_bare(series[work], series["bearer, bare" if work.startswith("JWT") else "cookie, bare"])
        for work in ("JWT, seen before", "JWT, first seen", "cached", "uncached, memory", "uncached, SQLite")
    }
    figures = [
        Figure(CHAPTER, f"{'' if work.startswith('JWT') else 'session cookie, '}{work}", "µs", [each, fastapi, stars])
        for work, each in keyturn.items()
    ]
    for figure in figures:
        figure.series[0].name = KEYTURN
    cached_token, first, cached, _, _ = figures
    cached_token.goals = [Goal("at most 3 µs", cached_token.series[0].middle, 3.0)]
    first.goals = [Goal("1/8 of FastAPI + PyJWT", first.ratio_to(FASTAPI), 1 / 8, why=WHY)]
    cached.goals = [Goal("at most 3 µs", cached.series[0].middle, 3.0)]
    first.note = "HS256"
    return figures
