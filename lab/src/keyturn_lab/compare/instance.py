"""Instance of the application under test: ``python -m keyturn_lab.compare.instance MODE PORT``.

``/`` authenticates according to the mode. ``/counts`` returns the number of store calls and the CPU time used, in
seconds. ``/down`` makes every store call fail until ``/up``.
"""

import json
import os
import resource
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn

from keyturn.config.settings import read_settings
from keyturn.errors import StoreUnavailable
from keyturn.integrations.asgi import AuthMiddleware
from keyturn.issuer import AsyncIssuer
from keyturn.stores.session_cache import LocalSessionCache
from keyturn.tokens import KeySet
from keyturn.verifier import AsyncVerifier

_BODY = b"hello"


class CountingPort:
    """Proxy of a port that counts calls, and raises ``StoreUnavailable`` while ``down``."""

    calls = 0
    down = False

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*arguments: object) -> Any:
            CountingPort.calls += 1
            if CountingPort.down:
                raise StoreUnavailable("the store is down: /down was called")
            return method(*arguments)

        return call


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer every request with a fixed body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": _BODY})


def application(mode: str) -> Any:
    """Return the application behind the middleware of ``mode``, with settings from the environment.

    ``session``: loads the session from the store for every request. ``jwt``: verifies offline. ``hybrid``: caches
    sessions in memory and follows the feed.
    """
    issuer = AsyncIssuer.open(read_settings(), background=mode == "hybrid")
    ports = replace(issuer.parts.ports, sessions=CountingPort(issuer.parts.ports.sessions))
    issuer.parts = replace(issuer.parts, ports=ports)
    if mode != "jwt":
        return _with_controls(AuthMiddleware(hello, issuer=issuer), issuer)
    config = issuer.parts.config
    keys = KeySet.from_jwks(json.dumps(issuer.parts.keyring.jwks(issuer.parts.now())).encode())
    verifier = AsyncVerifier(config.issuer, config.audience[0], keys=keys, revocation="none")
    return _with_controls(AuthMiddleware(hello, verifier=verifier), issuer)


def _with_controls(inner: Any, issuer: AsyncIssuer) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] == "/":
            await inner(scope, receive, send)
            return
        if scope["path"] in ("/down", "/up"):
            _set_store_down(issuer, scope["path"] == "/down")
        usage = resource.getrusage(resource.RUSAGE_SELF)
        report = json.dumps({"calls": CountingPort.calls, "cpu": usage.ru_utime + usage.ru_stime}).encode()
        headers = [(b"content-length", b"%d" % len(report))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": report})

    return app


def _set_store_down(issuer: AsyncIssuer, down: bool) -> None:
    CountingPort.down = down
    # The feed reads the same store: while the store is down, the feed must not confirm freshness either.
    session_cache: Any = issuer.parts.session_cache
    session_cache.mark_complete = _ignore if down else partial(LocalSessionCache.mark_complete, session_cache)


def _ignore(_asked_at: float) -> None:
    pass


def main(mode: str, port: int) -> None:
    """Serve until the process is terminated."""
    uvicorn.run(application(mode), host="127.0.0.1", port=port, log_level="error", access_log=False, lifespan="off")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main(sys.argv[1], int(sys.argv[2]))
