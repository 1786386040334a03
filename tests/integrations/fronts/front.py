"""An application in one framework, with the same routes in each, and the clock of its issuer.

``GET`` and ``POST``: ``/private`` (any credential), ``/public`` (optional), ``/admin`` (scope ``admin``), ``/fresh``
(authenticated within 300 seconds). Each answers with ``{"sid": ..., "subject": ...}`` of the caller, or nulls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keyturn import Principal
from web.exchanges import Answer, Sent, send_asgi

FRESH_SECONDS = 300
SCOPE = "admin"


@dataclass(frozen=True)
class Front:
    """One application. ``send``: a request to it. ``is_async``: of its issuer."""

    build: Callable[[Any], Callable[[Sent], Answer]]
    is_async: bool = True


def shown(principal: Principal | None) -> dict[str, str | None]:
    return {
        "sid": None if principal is None else principal.sid,
        "subject": None if principal is None else principal.subject,
    }


def over_asgi(app: Any) -> Callable[[Sent], Answer]:
    return lambda sent: send_asgi(app, sent)
