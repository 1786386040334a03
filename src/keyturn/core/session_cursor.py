"""Place of a session in the list of its account, newest first, and the cursor of a page."""

import re
from hashlib import sha256
from typing import Final

from keyturn.core.types import Instant, SessionId
from keyturn.errors import InvalidMember

CURSOR_PATTERN: Final = "^[0-9]{1,12}-[0-9a-f]{16}$"

_CURSOR = re.compile(r"([0-9]{1,12})-([0-9a-f]{16})")

Place = tuple[int, str]

_BEFORE_ALL: Place = (-(10**12), "")


def place_of(created_at: Instant, sid: SessionId) -> Place:
    """Return a value that is greater for a session further down the list. It never changes."""
    # A hash tells sessions of one second apart: cursors get into URLs and logs, and must not name a session.
    return -created_at, sha256(sid.encode()).hexdigest()[:16]


def make_cursor(created_at: Instant, sid: SessionId) -> str:
    """Return the cursor of the page after this session, which need not exist any more when it is used."""
    place = place_of(created_at, sid)
    return f"{-place[0]}-{place[1]}"


def parse_cursor(text: str) -> Place:
    """Return the place that a page begins after; that before all sessions for "". Raises ``InvalidMember``."""
    if not text:
        return _BEFORE_ALL
    cursor = _CURSOR.fullmatch(text)
    if cursor is None:
        raise InvalidMember("after", "the cursor of an earlier page")
    return -int(cursor[1]), cursor[2]
