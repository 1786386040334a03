"""Trouble: what a verifier cannot reach, said in the log when it begins and when it is over, not at every try."""

import logging

from keyturn.errors import Refusal

_logger = logging.getLogger("keyturn.verifier")
_MAX_CHARS = 500


class OutageLog:
    """``what``: the sentence that a reason follows."""

    def __init__(self, description: str) -> None:
        self._description = description
        self.error: Exception | None = None

    def failed(self, error: Exception) -> None:
        """The last try failed."""
        if self.error is None:
            _logger.warning("%s: %s", self._description, error_summary(error))
        self.error = error

    def recovered(self) -> None:
        """The last try did not fail."""
        if self.error is not None:
            _logger.warning("over: %s", self._description)
        self.error = None

    @property
    def message(self) -> str:
        """As in the log; empty while all is well."""
        return "" if self.error is None else f"{self._description}: {error_summary(self.error)}"


def error_summary(error: Exception) -> str:
    """Why ``error`` was raised, for one line of the log (CWE-117), and not at any length."""
    # A refusal's detail is ours, though it may quote; the text of any other error may hold what was sent.
    detail = (error.detail if isinstance(error, Refusal) else "") or type(error).__name__
    return detail.encode("unicode_escape").decode("ascii")[:_MAX_CHARS]
