"""Log an outage once when it starts and once when it ends."""

import logging

from keyturn.errors import Refusal

_logger = logging.getLogger("keyturn.verifier")
_MAX_CHARS = 500


class OutageLog:
    """Log of one kind of outage. ``description``: message text; the cause is appended after a colon."""

    def __init__(self, description: str) -> None:
        self._description = description
        self.error: Exception | None = None

    def failed(self, error: Exception) -> None:
        """Record a failed attempt."""
        if self.error is None:
            _logger.warning("%s: %s", self._description, error_summary(error))
        self.error = error

    def recovered(self) -> None:
        """Record a successful attempt."""
        if self.error is not None:
            _logger.warning("recovered: %s", self._description)
        self.error = None

    @property
    def message(self) -> str:
        """Current outage as in the log; empty without one."""
        return "" if self.error is None else f"{self._description}: {error_summary(self.error)}"


def error_summary(error: Exception) -> str:
    """Return the cause of ``error`` as one log line (CWE-117) of at most 500 characters."""
    # A refusal's detail is Keyturn's own text, with quotes at most; other messages may hold secrets from the request.
    detail = (error.detail if isinstance(error, Refusal) else "") or type(error).__name__
    return detail.encode("unicode_escape").decode("ascii")[:_MAX_CHARS]
