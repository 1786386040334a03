"""Principal: the authenticated subject of a request, with authentication methods, time, scope and claims."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from keyturn.core.immutable import EMPTY
from keyturn.core.types import EPOCH, Instant, SessionId, Subject
from keyturn.errors import Forbidden, StepUpRequired

CredentialType = Literal["session", "access"]


class Principal(NamedTuple):
    """Authenticated subject of a request; the same for a session token and an access token.

    ``auth_time``, ``credential_expires_at``: whole seconds. The latter: latest end of *the presented credential*.
    ``generation``, ``issued_at``: of the access token, or of the session for a session token (``issued_at`` is when it
    was opened). A revocation of the subject, the client or everything is compared with them.
    ``claims``: those that the application set, immutable, without the claims that only Keyturn sets.
    A named tuple because it is immutable and created for every new token: a frozen dataclass takes four times as long
    to create.
    """

    subject: Subject
    sid: SessionId
    client_id: str
    credential: CredentialType
    auth_time: Instant
    credential_expires_at: Instant
    amr: tuple[str, ...] = ()
    acr: str = ""
    scope: tuple[str, ...] = ()
    generation: int = 0
    issued_at: Instant = EPOCH
    claims: Mapping[str, object] = EMPTY

    def require_scope(self, scope: str) -> None:
        """Raise ``Forbidden`` unless ``scope`` was granted (RFC 6749 section 3.3)."""
        if scope not in self.scope:
            raise Forbidden(f"scope {scope} is missing")

    def require_recent_auth(self, now: Instant, seconds: int) -> None:
        """Raise ``StepUpRequired`` when the authentication is older than ``seconds`` (RFC 9470)."""
        if now - self.auth_time > seconds:
            raise StepUpRequired(f"authenticated {now - self.auth_time} s ago, allowed are {seconds} s")
