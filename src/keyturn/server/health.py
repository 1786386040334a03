"""Health endpoints: liveness, readiness and metrics."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keyturn.config.components import Components
from keyturn.server.metrics import CONTENT_TYPE, Metrics

Answer = Callable[[Request], Awaitable[Response]]


def health_routes(parts: Components, metrics: Metrics) -> list[Route]:
    """Return the routes ``/livez``, ``/readyz`` and ``/metrics``."""
    return [
        Route("/livez", _livez),
        Route("/readyz", _readyz(parts)),
        Route("/metrics", _metrics(parts, metrics)),
    ]


async def _livez(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


def _readyz(parts: Components) -> Answer:
    async def readyz(_: Request) -> Response:
        store = await _reachable(parts)
        fresh = parts.session_cache.is_fresh
        quarantined = parts.quarantine is not None and parts.quarantine.is_active
        ready = store and fresh and not quarantined
        facts: dict[str, object] = {"status": "ready" if ready else "not ready", "store": store, "feed": fresh}
        if parts.quarantine is not None:
            facts["quarantine"] = quarantined
        if parts.redis_cache is not None:
            # For information only: without Redis every reply is the same, but takes longer.
            facts["redis"] = parts.redis_cache.reachable
        return JSONResponse(facts, 200 if ready else 503, headers=None if ready else {"retry-after": "1"})

    return readyz


async def _reachable(parts: Components) -> bool:
    try:
        await parts.store.log.sequence()
    except Exception:  # any error: the store cannot be used
        return False
    return True


def _metrics(parts: Components, metrics: Metrics) -> Answer:
    async def exposition(_: Request) -> Response:
        metrics.watch(parts)
        return Response(metrics.render(), media_type=None, headers={"content-type": CONTENT_TYPE})

    return exposition
