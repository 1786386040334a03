"""Health endpoints: liveness, readiness and metrics."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keyturn.config.components import Components
from keyturn.errors import ConfigurationError, Unavailable
from keyturn.server.metrics import CONTENT_TYPE, Metrics
from keyturn.server.served_issuer import ServedIssuer

Handler = Callable[[Request], Awaitable[Response]]


def health_routes(issuer: ServedIssuer, metrics: Metrics) -> list[Route]:
    """Return the routes ``/livez``, ``/readyz`` and ``/metrics``."""
    return [
        Route("/livez", _livez),
        Route("/readyz", _readyz(issuer)),
        Route("/metrics", _metrics(issuer, metrics)),
    ]


async def _livez(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


def _readyz(issuer: ServedIssuer) -> Handler:
    async def readyz(_: Request) -> Response:
        try:
            components = await issuer.ready()
        except (ConfigurationError, Unavailable):
            return _readiness({"store": False, "feed": False}, is_ready=False)
        is_reachable = await _is_store_reachable(components)
        is_fresh = components.session_cache.is_fresh
        is_quarantined = components.quarantine is not None and components.quarantine.is_active
        is_ready = is_reachable and is_fresh and not is_quarantined
        body = {"store": is_reachable, "feed": is_fresh}
        if components.quarantine is not None:
            body["quarantine"] = is_quarantined
        if components.redis_cache is not None:
            # For information only: without Redis every reply is the same, but takes longer.
            body["redis"] = components.redis_cache.reachable
        return _readiness(body, is_ready=is_ready)

    return readyz


def _readiness(body: dict[str, bool], *, is_ready: bool) -> Response:
    status = {"status": "ready" if is_ready else "not ready"}
    return JSONResponse(status | body, 200 if is_ready else 503, headers=None if is_ready else {"retry-after": "1"})


async def _is_store_reachable(components: Components) -> bool:
    try:
        await components.store.log.sequence()
    except Exception:  # any error: the store cannot be used
        return False
    return True


def _metrics(issuer: ServedIssuer, metrics: Metrics) -> Handler:
    async def exposition(_: Request) -> Response:
        if issuer.current is not None:
            metrics.watch(issuer.current)
        return Response(metrics.render(), media_type=None, headers={"content-type": CONTENT_TYPE})

    return exposition
