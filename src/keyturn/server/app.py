"""Construction of the ASGI application; one per worker process."""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from keyturn.config.components import Components
from keyturn.errors import NotFound
from keyturn.issuer import AsyncIssuer
from keyturn.pages import PagesApplication
from keyturn.server.extensions import ERROR_PAGE, ORIGINS
from keyturn.server.feed_stream import FeedStream
from keyturn.server.health import health_routes
from keyturn.server.logs import configure_logs
from keyturn.server.metrics import Metrics
from keyturn.server.request_log import record_exchange
from keyturn.server.served_issuer import ServedIssuer
from keyturn.web.application import web_config_of
from keyturn.web.asgi import AsgiEndpoints
from keyturn.web.asgi_messages import AsgiApp, Receive, Scope, Send
from keyturn.web.problem import problem

PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 1.0


def create_app() -> Starlette:
    """Build the application of a worker of ``keyturn serve``. Settings come from the environment."""
    configure_logs(os.environ.get("LOG_LEVEL", "INFO"), human=sys.stderr.isatty())
    _die_with_supervisor()
    return build_app(AsyncIssuer.from_env(), shared_metrics="PROMETHEUS_MULTIPROC_DIR" in os.environ)


def build_app(issuer: AsyncIssuer, *, shared_metrics: bool = False) -> Starlette:
    """Build the application of an issuer. Each lifespan opens the issuer and closes it."""
    metrics = Metrics(shared_metrics)
    served = ServedIssuer(issuer, metrics)
    config = web_config_of(issuer)
    endpoints = AsgiEndpoints(served, partial(record_exchange, metrics))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[dict[str, object], None]:
        metrics.remove_dead_workers()
        async with issuer:
            watch_task = asyncio.create_task(_watch(served, metrics))
            yield {ERROR_PAGE: config.error_page, ORIGINS: config.origins}
            watch_task.cancel()

    def make_stream(components: Components) -> FeedStream:
        return FeedStream(components, config, endpoints, metrics)

    app: AsgiApp = _CurrentStream(served, endpoints, make_stream)
    if issuer.settings.pages == "on":
        app = PagesApplication(app, served, partial(record_exchange, metrics))
    return Starlette(
        routes=[*health_routes(served, metrics), Mount("/", app)],
        lifespan=lifespan,
        exception_handlers={HTTPStatus.NOT_FOUND: partial(_not_found, config.error_page)},
    )


class _CurrentStream:
    """ASGI application of the feed stream of the components that are open: a reopened issuer has another log."""

    def __init__(
        self, issuer: ServedIssuer, endpoints: AsgiEndpoints, make_stream: Callable[[Components], FeedStream]
    ) -> None:
        self._issuer = issuer
        self._endpoints = endpoints
        self._make_stream = make_stream
        self._source: Components | None = None
        self._app: AsgiApp = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        components = self._issuer.current
        if components is not self._source:
            # Until the issuer is open, the endpoints open it, or answer why it cannot be opened.
            self._source = components
            self._app = self._endpoints if components is None else self._make_stream(components)
        await self._app(scope, receive, send)


async def _not_found(error_page: str, _request: Request, _failure: Exception) -> Response:
    # "OPTIONS *" is the one request target that no mount matches (RFC 9112 section 3.2.4).
    reply = problem(NotFound("no such path"), error_page)
    return Response(reply.body, reply.status, {name.decode(): value.decode() for name, value in reply.headers})


async def _watch(issuer: ServedIssuer, metrics: Metrics) -> None:
    # Update the gauges regularly: any worker may serve /metrics for all of them.
    while True:
        if issuer.current is not None:
            metrics.watch(issuer.current)
        await asyncio.sleep(WATCH_SECONDS)


def _die_with_supervisor() -> None:
    # An orphaned worker would keep the port open without a supervisor to restart or stop it.
    if sys.platform == "linux" and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        supervisor = multiprocessing.parent_process()
        if supervisor is not None and not supervisor.is_alive():
            raise SystemExit(1)  # it died before prctl was called
