"""Signed marks of the revocation log: a reader of the feed holds one for its position and returns it.

Form: ``<database>.<log>.<tag>.<mac>``; the MAC covers the sequence number, too. Without the MAC, any reader could claim
that the log has lost entries.
"""

import hmac
import re
from typing import Final

from keyturn.core.log_mark import ABSENT, LogMark
from keyturn.core.sealed import Secrets

_FORMAT: Final = re.compile(r"([0-9]{1,19})\.([0-9]{1,19})\.([0-9]{1,19})\.([0-9a-f]{32})", re.ASCII)
_PURPOSE: Final = b"log mark"


def sign_mark(mark: LogMark | None, secrets: Secrets) -> str:
    """Sign ``mark`` for a reader of the feed; empty if there is nothing to prove."""
    if mark is None or mark.tag is None or mark.tag == ABSENT:
        return ""
    return f"{mark.database}.{mark.log}.{mark.tag}.{_mac(mark, secrets.current)}"


def verify_mark(text: str, sequence: int, secrets: Secrets) -> LogMark | None:
    """Parse a signed mark for ``sequence``. Return None if no accepted secret made it."""
    match = _FORMAT.fullmatch(text)
    if match is None:
        return None
    mark = LogMark(int(match[1]), int(match[2]), sequence, int(match[3]))
    is_authentic = any(hmac.compare_digest(match[4], _mac(mark, each)) for each in secrets.all)
    return mark if is_authentic else None


def _mac(mark: LogMark, secret: bytes) -> str:
    key = Secrets.derive(secret, _PURPOSE)
    message = f"{mark.database}.{mark.log}.{mark.sequence}.{mark.tag}"
    return hmac.digest(key, message.encode(), "sha256")[:16].hex()
