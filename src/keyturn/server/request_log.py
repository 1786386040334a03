"""Log lines and metrics of the requests that a worker has answered."""

import structlog

from keyturn.server.feed_stream import PATH as FEED
from keyturn.server.metrics import Metrics
from keyturn.web.application import Exchange

_logger = structlog.get_logger("keyturn.server")


def record_exchange(metrics: Metrics, exchange: Exchange) -> None:
    """Count and log one request."""
    method, route, reply, seconds = exchange
    metrics.requests.labels(route, str(reply.status)).inc()
    metrics.seconds.labels(route).observe(seconds)
    fields: dict[str, object] = {"method": method, "route": route, "status": reply.status}
    refusal = reply.refusal
    if refusal is not None:
        metrics.refusals.labels(refusal.code).inc()
        fields |= {"code": refusal.code, "detail": refusal.detail}
    # Every verifier polls the feed each second: log successful polls at debug level only.
    write_log = _logger.debug if route == FEED and refusal is None else _logger.info
    write_log("request", **fields, milliseconds=round(seconds * 1000, 2))
