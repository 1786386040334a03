"""Health endpoints: liveness, readiness and metrics."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keyturn.config.components import Components
from keyturn.server.metrics import CONTENT_TYPE, Metrics

Handler = Callable[[Request], Awaitable[Response]]


def health_routes(components: Components, metrics: Metrics) -> list[Route]:
    """Return the routes ``/livez``, ``/readyz`` and ``/metrics``."""
    return [
        Route("/livez", _livez),
        Route("/readyz", _readyz(components)),
        Route("/metrics", _metrics(components, metrics)),
    ]


async def _livez(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


def _readyz(components: Components) -> Handler:
    async def readyz(_: Request) -> Response:
        is_reachable = await _is_store_reachable(components)
        is_fresh = components.session_cache.is_fresh
        is_quarantined = components.quarantine is not None and components.quarantine.is_active
        is_ready = is_reachable and is_fresh and not is_quarantined
        body: dict[str, object] = {
            "status": "ready" if is_ready else "not ready",
            "store": is_reachable,
            "feed": is_fresh,
        }
        if components.quarantine is not None:
            body["quarantine"] = is_quarantined
        if components.redis_cache is not None:
            # For information only: without Redis every reply is the same, but takes longer.
            body["redis"] = components.redis_cache.reachable
        return JSONResponse(body, 200 if is_ready else 503, headers=None if is_ready else {"retry-after": "1"})

    return readyz


async def _is_store_reachable(components: Components) -> bool:
    try:
        await components.store.log.sequence()
    except Exception:  # any error: the store cannot be used
        return False
    return True


def _metrics(components: Components, metrics: Metrics) -> Handler:
    async def exposition(_: Request) -> Response:
        metrics.watch(components)
        return Response(metrics.render(), media_type=None, headers={"content-type": CONTENT_TYPE})

    return exposition
