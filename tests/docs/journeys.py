"""Journeys of ``docs/topics/architecture.md``: what one request passes through, traced in the running code."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import httpx
import uvicorn

import keyturn
from keyturn import AsyncIssuer, Issuer, Verifier
from keyturn.errors import Refusal
from keyturn.server.app import build_app

PACKAGE = Path(keyturn.__file__).parent
PASSWORD = "violet umbrella 7 o clock"
REVOKED_SECONDS = 20.0

LANES = ("API", "flows", "core", "tokens", "stores", "feed", "verifier")
_LANE_OF = {"issuer.py": 0, "web": 0, "signing.py": 3, "generators.py": 1, "server": 5, "transports": 5}


class Hop(NamedTuple):
    """One function of Keyturn. ``file``: relative to the package."""

    file: str
    function: str

    @property
    def lane(self) -> int:
        """Number of the column in which it is drawn."""
        if self.file in ("stores/log_follower.py", "verifier/sse.py"):
            return LANES.index("feed")
        top = self.file.partition("/")[0]
        return _LANE_OF[top] if top in _LANE_OF else LANES.index(top)


def _hops(*lines: str) -> tuple[Hop, ...]:
    return tuple(Hop(*line.split(" ")) for line in lines)


STATIONS = {
    "cookie": _hops(
        "issuer.py _sync_method.method",
        "flows/drive.py drive",
        "generators.py run",
        "flows/verify.py authenticate_session",
        "core/sealed.py parse",
        "stores/session_cache.py LocalSessionCache.get",
        "core/sealed.py verify_mac",
        "core/lifecycle.py check_session_token",
        "flows/issue.py session_principal",
    ),
    "token": _hops(
        "verifier/verifier.py Verifier.__call__",
        "verifier/checker.py TokenChecker.check_cached",
        "tokens/jws.py verify_compact",
        "verifier/claims.py read_claims",
        "core/claims.py principal_from_claims",
        "verifier/token_cache.py TokenCache.insert",
        "core/revocation.py RevocationSet.revokes",
    ),
    "refresh": _hops(
        "issuer.py _sync_method.method",
        "flows/refresh.py refresh",
        "core/sealed.py parse",
        "stores/sql/sessions.py SqlSessions.load",
        "core/sealed.py verify_mac",
        "core/rotation.py rotate",
        "stores/sql/sessions.py SqlSessions.replace",
        "flows/issue.py issue",
        "tokens/jws.py sign_compact",
        "core/sealed.py seal",
    ),
    "revoke": _hops(
        "web/asgi.py AsgiEndpoints.__call__",
        "flows/revoke.py revoke_session",
        "core/lifecycle.py revoke",
        "stores/sql/sessions.py SqlSessions.replace",
        "stores/sql/log.py append_revocation",
        "server/feed_broadcaster.py FeedBroadcaster._encode",
        "server/feed_stream.py _Reader._send_event",
        "verifier/sse.py SseReader._apply",
        "verifier/feed_reader.py FeedReader.receive",
        "verifier/checker.py _is_revoked",
    ),
}
"""The functions that are drawn, in order: the decisions and the crossings of a layer."""

LABELS = {
    ("cookie", STATIONS["cookie"][0]): "Issuer.verify",
    ("refresh", STATIONS["refresh"][0]): "Issuer.refresh",
}
"""Names of the methods that one traced function stands for: every method of ``Issuer`` is made by ``_sync_method``."""


class Tracer:
    """Records the functions of Keyturn that threads enter while it is on, in order of their first call."""

    def __init__(self) -> None:
        self.hops: dict[Hop, None] = {}
        self._is_on = False

    @contextmanager
    def recording(self) -> Generator[None]:
        """Record this thread, and every thread that was started after ``watch_threads``."""
        self.hops, self._is_on = {}, True
        sys.setprofile(self._record)
        try:
            yield
        finally:
            sys.setprofile(None)
            self._is_on = False

    def watch_threads(self) -> None:
        """Watch every thread that is started from now on."""
        threading.setprofile(self._record)

    def _record(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or not self._is_on or not code.co_filename.startswith(str(PACKAGE)):
            return
        name = code.co_qualname.replace(".<locals>", "")
        if not name.endswith(">"):
            self.hops.setdefault(Hop(str(Path(code.co_filename).relative_to(PACKAGE)), name))


def trace(call: Callable[[], object]) -> list[Hop]:
    """Return the functions of Keyturn that ``call`` enters in this thread."""
    tracer = Tracer()
    with tracer.recording():
        call()
    return list(tracer.hops)


def trace_issuer(folder: Path) -> dict[str, list[Hop]]:
    """Trace a cookie that is cached, and a refresh, on SQLite."""
    with Issuer.from_env(data_dir=str(folder), algorithm="ES256") as issuer:
        issued = issuer.signup("ada@example.com", PASSWORD, deliver="both")
        assert issued.session_token is not None
        assert issued.refresh_token is not None
        cookie, refresh = issued.session_token.reveal(), issued.refresh_token.reveal()
        time.sleep(0.1)
        issuer.verify(cookie)
        return {"cookie": trace(lambda: issuer.verify(cookie)), "refresh": trace(lambda: issuer.refresh(refresh))}


def trace_verifier() -> list[Hop]:
    """Trace an access token that a service sees for the first time."""
    from bench.tokens import TokenFixture

    fixture = TokenFixture.open("ES256", 2)
    verify = fixture.verifier()
    verify(fixture.tokens[0].decode())
    return trace(lambda: verify(fixture.tokens[1].decode()))


def trace_revocation(folder: Path) -> list[Hop]:
    """Trace a logout over HTTP until a verifier refuses the session's access token."""
    tracer = Tracer()
    tracer.watch_threads()
    try:
        with _serving(folder) as url:
            account = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
            token = httpx.post(f"{url}/auth/signup", json=account, timeout=30).json()["access_token"]
            with Verifier(url, audience=url) as verify:
                verify(token)
                with tracer.recording():
                    httpx.post(f"{url}/auth/logout", headers={"Authorization": f"Bearer {token}"}).raise_for_status()
                    _wait_for_refusal(verify, token)
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]  # typeshed forbids None, which ends it
    return list(tracer.hops)


@contextmanager
def _serving(folder: Path) -> Generator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        issuer = AsyncIssuer.from_env(data_dir=str(folder), issuer=url, algorithm="ES256")
        server = uvicorn.Server(uvicorn.Config(build_app(issuer), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()


def _wait_for_refusal(verify: Verifier, token: str) -> None:
    give_up_at = time.monotonic() + REVOKED_SECONDS
    while time.monotonic() < give_up_at:
        try:
            verify(token)
        except Refusal:
            return
        time.sleep(0.005)
    raise AssertionError("the revocation did not reach the verifier")


def trace_all(folder: Path) -> dict[str, list[Hop]]:
    """Trace every journey."""
    return {**trace_issuer(folder / "issuer"), "token": trace_verifier(), "revoke": trace_revocation(folder / "server")}
