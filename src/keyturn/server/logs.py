"""Logging configuration: one JSON object per line, without credentials."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from keyturn.config.audit_logging import EVENT_FIELDS
from keyturn.errors import ConfigurationError

SECRETS = re.compile(
    r"kt_(session|refresh|csrf|device)_[A-Za-z0-9_.-]+|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
)
"""Pattern of credentials, which are masked in every log line, also in those of libraries (OWASP ASVS 5.0 16.2.5)."""


def configure_logs(level: str = "INFO", *, human: bool = False) -> None:
    """Configure one pipeline for structlog and the standard library's loggers. ``human``: format for a terminal.

    Raises ``ConfigurationError`` for an unknown level.
    """
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise ConfigurationError(f"LOG_LEVEL must be one of {', '.join(levels)}, not {level!r}")
    render = structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.stdlib.ExtraAdder(EVENT_FIELDS),
        _mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    _quiet(human)


def _quiet(human: bool) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # at every start it logs that there is nothing to do
    if human:
        # `keyturn serve` has printed the address and how to stop the server.
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = name != "uvicorn.access"


def _mask(_logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    return {name: SECRETS.sub("***", value) if isinstance(value, str) else value for name, value in event.items()}
