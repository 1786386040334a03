"""Effects of flows. A flow is a generator that yields each call of a port and does no I/O itself.

``call`` names the port's method itself, so that its arguments and its result are typed, and an editor goes from a flow
to the method's contract. A flow may be cancelled, or its process may crash, at any ``yield``: exactly the calls yielded
before have happened.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, TypeAlias

from keyturn.core.audit import AuditEvent, AuditEventType
from keyturn.core.claims import AccessClaims
from keyturn.core.revocation import Verdict
from keyturn.core.types import Instant, P, T
from keyturn.errors import StoreUnavailable
from keyturn.ports import PORTS, AuditLog, SessionCache, methods_of


class Call(NamedTuple):
    """One call of a port: its ``method`` with ``arguments``, which may be secret and are left out of ``repr``."""

    port: str
    method: str
    arguments: tuple[object, ...] = ()

    def __repr__(self) -> str:
        return f"Call({self.port}.{self.method})"


Flow: TypeAlias = Generator[Call, Any, T]
"""A generator that yields calls, is sent their results and returns ``T``."""

_METHODS = {getattr(port, method): (name, method) for name, port in PORTS.items() for method in methods_of(port)}


if TYPE_CHECKING:

    def call(method: Callable[Concatenate[Any, P], T], /, *arguments: P.args, **_: P.kwargs) -> Flow[T]: ...

else:

    def call(method, /, *arguments):
        """Call one method of a port, as a flow: ``loaded = yield from call(SessionStore.load, sid)``.

        Arguments are positional.
        """
        port, name = _METHODS[method]
        return (yield Call(port, name, arguments))


def record_event(
    event: AuditEventType, now: Instant, subject: str = "", sid: str = "", address: str = "", detail: str = ""
) -> Flow[None]:
    """Append a security event. The operation that it records is committed."""
    # Failing now would withhold the credential that replaced the caller's (P9).
    with suppress(StoreUnavailable):
        yield from call(AuditLog.append, AuditEvent(event, now, subject, sid, address, detail))


def check_cached_claims(claims: AccessClaims) -> Flow[Verdict]:
    """Check an access token against the feed of this process."""
    arguments = (claims.sid, claims.sub, claims.gen, claims.client_id, claims.iat)
    return (yield from call(SessionCache.check, *arguments))
