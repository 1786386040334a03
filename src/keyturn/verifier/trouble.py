"""Trouble: what a verifier cannot reach, said in the log when it begins and when it is over, not at every try."""

import logging

from keyturn.errors import Refusal

_logger = logging.getLogger("keyturn.verifier")


class Trouble:
    """``what``: the sentence that a reason follows."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.error: Exception | None = None

    def meet(self, error: Exception) -> None:
        """The last try failed."""
        if self.error is None:
            _logger.warning("%s: %s", self._what, _reason(error))
        self.error = error

    def end(self) -> None:
        """The last try did not fail."""
        if self.error is not None:
            _logger.warning("over: %s", self._what)
        self.error = None

    @property
    def said(self) -> str:
        """As in the log; empty while all is well."""
        return "" if self.error is None else f"{self._what}: {_reason(self.error)}"


def _reason(error: Exception) -> str:
    # A refusal's detail is ours; the text of any other error may quote what was sent.
    return (error.detail if isinstance(error, Refusal) else "") or type(error).__name__
