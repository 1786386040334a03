"""Pages of the list of sessions, while sessions begin and end."""

import pytest

from flows.catalogue import FlowFixture, later, refused
from interleavings.harness import OLD, T0
from keyturn.core.session_cursor import make_cursor, parse_cursor, place_of
from keyturn.core.types import Instant, SessionId
from keyturn.errors import InvalidMember
from keyturn.flows.login import login
from keyturn.flows.revoke import revoke_session
from keyturn.flows.sessions import SessionSummary, list_sessions


@pytest.fixture
def flows() -> FlowFixture:
    """Sessions of one account: ``x`` and ``y`` of one second, and six more of two later ones."""
    flows = FlowFixture()
    for seconds in (1, 1, 1, 2, 2, 2):
        enter(flows, seconds)
    return flows


def enter(flows: FlowFixture, seconds: int) -> SessionId:
    return SessionId(flows.run(login(flows.attempt(OLD), later(seconds), flows.realm)).sid)


def page(flows: FlowFixture, after: str = "", limit: int = 1000) -> list[SessionSummary]:
    found: list[SessionSummary] = flows.run(list_sessions(flows.x.subject, T0, flows.realm, after, limit))
    return found


def sids(found: list[SessionSummary]) -> list[SessionId]:
    return [each.sid for each in found]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 1000])
def test_the_pages_together_are_the_list(flows: FlowFixture, limit: int) -> None:
    whole, read, after = page(flows), list[SessionSummary](), ""
    while found := page(flows, after, limit):
        assert len(found) <= limit
        read += found
        after = found[-1].cursor
    assert read == whole
    assert [each.created_at for each in whole] == [T0 + 2] * 3 + [T0 + 1] * 3 + [T0] * 2


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_each_session_that_stays_is_on_one_page_whatever_begins_and_ends(flows: FlowFixture, limit: int) -> None:
    staying, read, after, turn = set(sids(page(flows))), list[SessionId](), "", 0
    while found := page(flows, after, limit):
        read += sids(found)
        after = found[-1].cursor
        # The session that the cursor was made of ends, and others begin before and after it.
        flows.run(revoke_session(found[-1].sid, "logout", T0, flows.realm))
        for seconds in (3, 1, 0) if turn < 3 else ():
            enter(flows, seconds)
        turn += 1
    assert len(set(read)) == len(read)
    assert staying <= set(read)


def test_a_cursor_names_no_session_and_no_credential(flows: FlowFixture) -> None:
    for each in page(flows):
        assert each.cursor == f"{each.created_at}-{each.cursor[-16:]}"
        assert each.sid not in each.cursor
        assert parse_cursor(each.cursor) == place_of(each.created_at, each.sid)


@pytest.mark.parametrize(
    "text", ["x", "1", "-", "1-", "-1-0123456789abcdef", "1-0123456789abcdef\n", "1-0123456789ABCDEF"]
)
def test_a_malformed_cursor_is_refused(flows: FlowFixture, text: str) -> None:
    refusal = refused(flows, InvalidMember, list_sessions(flows.x.subject, T0, flows.realm, text))
    assert refusal.member == "after"


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_is_bounded(flows: FlowFixture, limit: int) -> None:
    assert refused(flows, InvalidMember, list_sessions(flows.x.subject, T0, flows.realm, "", limit)).member == "limit"


def test_a_cursor_beyond_the_list_gives_an_empty_page(flows: FlowFixture) -> None:
    assert page(flows, make_cursor(Instant(0), flows.sid)) == []
    assert page(flows, make_cursor(later(100), flows.sid)) == page(flows)
