"""Construction of the ASGI application; one per worker process."""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from keyturn.config.components import Components
from keyturn.errors import NotFound
from keyturn.issuer import AsyncIssuer
from keyturn.server.event_log import LoggingAuditLog
from keyturn.server.extensions import ERROR_PAGE
from keyturn.server.feed_stream import FeedStream
from keyturn.server.health import health_routes
from keyturn.server.logs import configure_logs
from keyturn.server.metrics import Metrics
from keyturn.server.request_log import record_exchange
from keyturn.web.application import web_config_of
from keyturn.web.asgi import AsgiEndpoints
from keyturn.web.problem import problem

PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 1.0


def create_app() -> Starlette:
    """Build the application of a worker of ``keyturn serve``. Settings come from the environment."""
    configure_logs(os.environ.get("LOG_LEVEL", "INFO"), human=sys.stderr.isatty())
    _die_with_supervisor()
    return build_app(AsyncIssuer.from_env(), shared_metrics="PROMETHEUS_MULTIPROC_DIR" in os.environ)


def build_app(issuer: AsyncIssuer, *, shared_metrics: bool = False) -> Starlette:
    """Build the application of an issuer. Its lifespan starts and closes the issuer."""
    metrics = Metrics(shared_metrics)
    components = _with_event_log(issuer.parts, metrics)
    config = web_config_of(components)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[dict[str, str], None]:
        metrics.remove_dead_workers()
        watch_task = asyncio.create_task(_watch(components, metrics))
        async with issuer:
            yield {ERROR_PAGE: config.error_page}
            watch_task.cancel()

    endpoints = AsgiEndpoints(_ServedIssuer(components), partial(record_exchange, metrics))
    return Starlette(
        routes=[*health_routes(components, metrics), Mount("/", FeedStream(components, config, endpoints, metrics))],
        lifespan=lifespan,
        exception_handlers={HTTPStatus.NOT_FOUND: partial(_not_found, config.error_page)},
    )


async def _not_found(error_page: str, _request: Request, _failure: Exception) -> Response:
    # "OPTIONS *" is the one request target that no mount matches (RFC 9112 section 3.2.4).
    reply = problem(NotFound("no such path"), error_page)
    return Response(reply.body, reply.status, {name.decode(): value.decode() for name, value in reply.headers})


async def _watch(components: Components, metrics: Metrics) -> None:
    # Update the gauges regularly: any worker may serve /metrics for all of them.
    while True:
        metrics.watch(components)
        await asyncio.sleep(WATCH_SECONDS)


@dataclass(frozen=True, slots=True)
class _ServedIssuer:
    parts: Components


def _with_event_log(components: Components, metrics: Metrics) -> Components:
    audit: Any = LoggingAuditLog(components.ports.audit, metrics)
    return replace(components, ports=replace(components.ports, audit=audit))


def _die_with_supervisor() -> None:
    # An orphaned worker would keep the port open without a supervisor to restart or stop it.
    if sys.platform == "linux" and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        supervisor = multiprocessing.parent_process()
        if supervisor is not None and not supervisor.is_alive():
            raise SystemExit(1)  # it died before prctl was called
