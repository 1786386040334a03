"""Principal: who is calling in this request, how strongly, since when, allowed what."""

from typing import Literal, NamedTuple

from keyturn.core.types import Instant, SessionId, Subject
from keyturn.errors import Forbidden, StepUpRequired

Credential = Literal["session", "access"]


class Principal(NamedTuple):
    """The same value whichever key was presented; route code never needs to know which.

    ``auth_time`` and ``expires_at`` are whole seconds; ``expires_at`` is when *this credential* ends at the latest.
    A named tuple, because it cannot be changed and is made once per new token: a frozen dataclass takes four times
    as long to make.
    """

    subject: Subject
    sid: SessionId
    client_id: str
    credential: Credential
    auth_time: Instant
    expires_at: Instant
    amr: tuple[str, ...] = ()
    acr: str = ""
    scope: tuple[str, ...] = ()

    def require_scope(self, scope: str) -> None:
        """Raises ``Forbidden`` unless ``scope`` was granted (RFC 6749 section 3.3)."""
        if scope not in self.scope:
            raise Forbidden(f"scope {scope} is missing")

    def require_recent_auth(self, now: Instant, seconds: int) -> None:
        """Raises ``StepUpRequired`` when the authentication is older than ``seconds`` (RFC 9470)."""
        if now - self.auth_time > seconds:
            raise StepUpRequired(f"authenticated {now - self.auth_time} s ago")
