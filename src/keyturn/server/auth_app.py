"""ASGI application of the ``web`` endpoints. Every reply is counted and logged; an error is never a bare 500."""

import asyncio
import time
from collections.abc import Sequence

import structlog
from starlette.types import Receive, Scope, Send

from keyturn.config.components import Components
from keyturn.core.types import Instant
from keyturn.errors import Refusal, StoreUnavailable, Unavailable
from keyturn.flows import drive_async
from keyturn.server.asgi import read_request, send_reply
from keyturn.server.client_address import Network
from keyturn.server.feed_stream import PATH as FEED
from keyturn.server.metrics import Metrics
from keyturn.web.config import WebConfig
from keyturn.web.message import Reply
from keyturn.web.problem import problem
from keyturn.web.route import Route
from keyturn.web.routes import find, handle

FLOW_SECONDS = 20.0
"""Time limit of a request, in seconds. A store that does not respond within it counts as unavailable."""

log = structlog.get_logger("keyturn.server")


class AuthApp:
    """ASGI application of the routes in ``web.routes``. ``trusted``: networks of the trusted proxies."""

    def __init__(self, components: Components, config: WebConfig, metrics: Metrics, trusted: Sequence[Network]) -> None:
        self._components = components
        self._config = config
        self._metrics = metrics
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        started_at = time.perf_counter()
        found = find(scope["method"], scope["path"])
        reply = await self._reply(scope, receive, found)
        await send_reply(reply, send)
        # The template, never the path: arbitrary paths of a caller would create unlimited time series.
        route = "unmatched" if isinstance(found, Refusal) else found.path
        self._record(scope["method"], route, reply, time.perf_counter() - started_at)

    async def _reply(self, scope: Scope, receive: Receive, found: Route | Refusal) -> Reply:
        try:
            request = await read_request(scope, receive, self._trusted)
            async with asyncio.timeout(FLOW_SECONDS):
                return await drive_async(handle(request, *self._present(), found), self._components.ports)
        except Refusal as refusal:
            return self._problem(refusal, scope)
        except TimeoutError:
            return self._problem(StoreUnavailable(f"the request took longer than {FLOW_SECONDS:.0f} s"), scope)
        except Exception:
            log.exception("unexpected", path=scope["path"])
            return self._problem(Unavailable("unexpected error; see the server's log"), scope)

    def _present(self) -> tuple[Instant, WebConfig]:
        now, config = self._components.present()
        return now, self._config.at(config)

    def _problem(self, refusal: Refusal, scope: Scope) -> Reply:
        return problem(refusal, self._config.error_page, scope["path"])

    def _record(self, method: str, route: str, reply: Reply, seconds: float) -> None:
        metrics, refusal = self._metrics, reply.refusal
        metrics.requests.labels(route, str(reply.status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        fields: dict[str, object] = {"method": method, "route": route, "status": reply.status}
        if refusal is not None:
            metrics.refusals.labels(refusal.code).inc()
            fields |= {"code": refusal.code, "detail": refusal.detail}
        # Every verifier polls the feed each second: log successful polls at debug level only.
        write_log = log.debug if route == FEED and refusal is None else log.info
        write_log("request", **fields, milliseconds=round(seconds * 1000, 2))
