"""Base class of all refusals, and the refusal of unusable settings."""

from typing import ClassVar


class Refusal(Exception):
    """Base class of all refusals.

    ``code``: stable wire code. ``status``: HTTP status. ``hint``: what to do next; safe to show.
    ``detail``: exact cause, for operators; never sent. ``retry_after_seconds``: for 429 and 503.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400
    hint: str = "The request was refused."

    def __init__(self, detail: str = "", *, hint: str = "", retry_after_seconds: int | None = None) -> None:
        self.detail = detail
        self.hint = hint or type(self).hint
        self.retry_after_seconds = retry_after_seconds
        super().__init__(detail or self.hint)


class ConfigurationError(Refusal):
    """Settings, policies, keys or a key set cannot be used. ``problems`` lists every problem.

    Raised during start-up, it stops the server. Raised later (a key can no longer be decrypted), it is sent to the
    client like any other refusal.
    """

    code, status = "misconfigured", 503
    hint = "This service is not configured as it should be; only its operators can help."

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))
