"""Endpoints for resource servers: revocation (RFC 7009), introspection (RFC 7662) and the feed."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import UNSET, Meta, Struct

from keyturn.core.feed import ANY_LOG, LogCursor, Progress, State
from keyturn.core.revocation import RevocationPage
from keyturn.core.sealed import Secrets
from keyturn.core.signed_mark import sign_mark
from keyturn.core.types import Instant
from keyturn.errors import InvalidMember, NotFound, Unauthenticated
from keyturn.feed_schema import FeedResponse, Mark, feed_entries
from keyturn.flows.effects import Flow
from keyturn.flows.introspect import introspect as ask_about
from keyturn.flows.introspect import load_session_of_token
from keyturn.flows.revocation_pages import check_mark, page_after, snapshot_page
from keyturn.flows.revoke import RevocationReceipt, revoke_loaded_session
from keyturn.web.config import WebConfig
from keyturn.web.guard import require_feed_reader, require_service
from keyturn.web.message import NO_STORE, Reply, Request, json_reply
from keyturn.web.parse import read_form, read_query
from keyturn.web.schemas import IntrospectRequest, RevokedResponse, RevokeRequest

_NOTHING = RevokedResponse(revoked=False, sequence=0, within_seconds=0)


Number = Annotated[
    str,
    Meta(pattern=r"^(0|[1-9][0-9]{0,17})$(?!\n)", extra={"expected": "a whole number of at most 18 digits"}),
]
"""A sequence number of at most 18 digits, to fit 64 bits.

Not every JSON parser reads longer integers exactly, and Python parses very long ones in quadratic time.
"""


Nonce = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", extra={"expected": "1 to 64 characters of A-Z, a-z, 0-9, _ and -"}),
]


class FeedQuery(Struct, frozen=True):
    """Query parameters of the feed.

    ``after``: the last sequence number that the reader has. ``seed``: the last sequence number of a snapshot that the
    reader is fetching. Without both, or with ``seed=0``, a new snapshot begins.
    ``nonce``: echoed in the response, so that the reader can detect a response from a cache.
    ``mark``: that of the last page read.
    """

    after: Number | None = None
    seed: Number | None = None
    nonce: Nonce = ""
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """Request for the next page. ``progress``: of the reader.

    ``nonce``: to be echoed. ``is_restored``: True in a snapshot because the log lacks the last entry of the reader.
    """

    progress: Progress
    nonce: str = ""
    is_restored: bool = False


def post_revoke(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Revoke the session of a token (RFC 7009).

    Possession of the token is the authorization. An unknown token is not an error (section 2.2).
    """
    form = read_form(request, RevokeRequest)
    revoked = yield from _revoke(form.token, now, config)
    if revoked is None:
        return json_reply(200, _NOTHING)
    return json_reply(200, RevokedResponse(True, revoked.sequence, revoked.within_seconds))


def post_introspect(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return the current state of a token (RFC 7662).

    Requires a service token: section 2.1 demands authorization, to prevent token scanning.
    """
    require_service(request, config)
    form = read_form(request, IntrospectRequest)
    return json_reply(200, (yield from ask_about(form.token, now, config.issuer_config)))


def get_revocations(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return a page of the feed as JSON. The server streams the same entries to clients of text/event-stream."""
    require_feed_reader(request, config)
    asked = parse_feed_request(request)
    secrets = config.issuer_config.secrets
    page = yield from read_feed(asked, secrets, now)
    certain_now = None if config.issuer_config.clock_gap_seconds else now
    response = feed_response(page, asked.nonce, sign_mark(page.end, secrets), certain_now)
    return json_reply(200, response, (*NO_STORE, (b"vary", b"accept")))


def parse_feed_request(request: Request) -> FeedRequest:
    """Parse the position to continue from. Raises ``InvalidMember`` and ``BadRequest``."""
    query = read_query(request, FeedQuery)
    if query.seed is not None and query.after is not None:
        raise InvalidMember("seed", "absent when `after` is given")
    cursor = LogCursor(ANY_LOG, int(query.after or query.seed or 0), query.mark)
    return FeedRequest(Progress(State.SNAPSHOT if query.after is None else State.FOLLOWING, cursor), query.nonce)


def read_feed(asked: FeedRequest, secrets: Secrets, now: Instant) -> Flow[RevocationPage]:
    """Return the page after the position of ``asked``. Raises as ``check_mark``."""
    cursor = asked.progress.cursor
    page = yield from (page_after if asked.progress.is_following else snapshot_page)(cursor.sequence)
    return (yield from check_mark(page, cursor.mark, secrets, now))


def feed_response(page: RevocationPage, nonce: str = "", mark: str = "", now: Instant | None = None) -> FeedResponse:
    """Build the response for a page of the feed.

    ``nonce``: that of the request. ``mark``: signed mark of the page's end. ``now``: None if uncertain.
    """
    entries, moment = feed_entries(page), UNSET if now is None else now
    return FeedResponse(entries, page.sequence, page.complete, page.log_id, nonce, mark, page.is_restored, moment)


def _revoke(token: str, now: Instant, config: WebConfig) -> Flow[RevocationReceipt | None]:
    try:
        loaded = yield from load_session_of_token(token, now, config.issuer_config)
        return (yield from revoke_loaded_session(loaded, "revoked by its holder", now, config.issuer_config))
    except (Unauthenticated, NotFound):
        return None
