"""Sessions in Redis: records of the version before are read, and read by it."""

from dataclasses import replace

from keyturn.core.session import ClientInfo, Repeats, Seed, Session
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.stores.redis.codec import pack_session, unpack_session

SESSION = Session(
    SessionId("AbCdEfGhIjKlMnOpQrStuA"),
    Subject("ada"),
    Seed(bytes(32)),
    ClientInfo("web", "Firefox", "192.0.2.7"),
    2,
    Instant(1_800_000_000),
    Instant(1_800_000_001),
    Instant(1_800_000_002),
    Instant(1_800_600_000),
    renewals=1,
    rotations=3,
    rotated_at=Instant(1_800_000_002),
    version=4,
)
NOVEMBER_2026 = bytes.fromhex(
    "dc001304a3616461a3776562ce6b52f9c0ce6b49d2000102c420000000000000000000000000000000000000000000000000"
    "0000000000000000a746697265666f78a93139322e302e322e3702c0a0c0010302c0a0"
)
"""The same session as packed by the version that did not record repeats."""


def test_a_record_of_the_version_before_is_unpacked() -> None:
    assert unpack_session(SESSION.sid, NOVEMBER_2026) == SESSION


def test_a_session_without_repeats_is_packed_as_by_the_version_before() -> None:
    assert pack_session(SESSION) == NOVEMBER_2026


def test_a_record_with_repeats_begins_like_one_without() -> None:
    repeated = replace(SESSION, repeats=Repeats(3, 1, 3, 2))
    packed = pack_session(repeated)
    assert unpack_session(SESSION.sid, packed) == repeated
    # Behind the length of the array: the version before ignores members that it does not know.
    assert packed[3:].startswith(NOVEMBER_2026[3:])
    assert len(packed) == len(NOVEMBER_2026) + 4
