"""Endpoints for resource servers: revocation (RFC 7009), introspection (RFC 7662) and the feed."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import UNSET, Meta, Struct

from keyturn.core.revocation import RevocationPage
from keyturn.core.sealed import Secrets
from keyturn.core.signed_mark import sign_mark
from keyturn.core.types import Instant
from keyturn.errors import InvalidMember, NotFound, Unauthenticated
from keyturn.flows.effects import Flow
from keyturn.flows.introspect import introspect as ask_about
from keyturn.flows.introspect import load_session_of_token
from keyturn.flows.revocation_pages import check_mark, page_after, snapshot_page
from keyturn.flows.revoke import RevocationReceipt, revoke_loaded_session
from keyturn.web.config import WebConfig
from keyturn.web.guard import require_feed_reader, require_service
from keyturn.web.message import NO_STORE, Reply, Request, json_reply
from keyturn.web.parse import read_form, read_query
from keyturn.web.schemas import FeedEntry, FeedResponse, IntrospectRequest, RevokedResponse, RevokeRequest

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


Mark = Annotated[
    str,
    Meta(pattern=r"^[0-9a-f.]{0,128}$(?!\n)", extra={"expected": "the mark of the previous page"}),
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
class FeedCursor:
    """Position of a feed reader: after ``sequence``, of a snapshot or of the log.

    ``nonce``: that of the request. ``mark``: signed mark of the last entry read. ``is_restored``: True in a snapshot
    after the log was found to lack that entry.
    """

    sequence: int
    is_snapshot: bool
    nonce: str = ""
    mark: str = ""
    is_restored: bool = False


def revoke(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Revoke the session of a token (RFC 7009).

    Possession of the token is the authorization. An unknown token is not an error (section 2.2).
    """
    form = read_form(request, RevokeRequest)
    revoked = yield from _revoke(form.token, now, config)
    if revoked is None:
        return json_reply(200, _NOTHING)
    return json_reply(200, RevokedResponse(True, revoked.sequence, revoked.within_seconds))


def introspect(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return the current state of a token (RFC 7662).

    Requires a service token: section 2.1 demands authorization, to prevent token scanning.
    """
    require_service(request, config)
    form = read_form(request, IntrospectRequest)
    return json_reply(200, (yield from ask_about(form.token, now, config.issuer_config)))


def revocations(request: Request, now: Instant, config: WebConfig) -> Flow[Reply]:
    """Return a page of the feed as JSON. The server streams the same entries to clients of text/event-stream."""
    require_feed_reader(request, config)
    place = parse_cursor(request)
    secrets = config.issuer_config.secrets
    page = yield from read_feed(place, secrets, now)
    certain_now = None if config.issuer_config.clock_gap_seconds else now
    response = feed_response(page, place.nonce, sign_mark(page.end, secrets), certain_now)
    return json_reply(200, response, (*NO_STORE, (b"vary", b"accept")))


def parse_cursor(request: Request) -> FeedCursor:
    """Parse the position to continue from. Raises ``InvalidMember`` and ``BadRequest``."""
    query = read_query(request, FeedQuery)
    if query.after is None:
        return FeedCursor(int(query.seed or 0), is_snapshot=True, nonce=query.nonce, mark=query.mark)
    if query.seed is not None:
        raise InvalidMember("seed", "absent when `after` is given")
    return FeedCursor(int(query.after), is_snapshot=False, nonce=query.nonce, mark=query.mark)


def read_feed(place: FeedCursor, secrets: Secrets, now: Instant) -> Flow[RevocationPage]:
    """Return the page after ``place``. Raises as ``check_mark``."""
    page = yield from snapshot_page(place.sequence) if place.is_snapshot else page_after(place.sequence)
    return (yield from check_mark(page, place.mark, secrets, now))


def feed_response(page: RevocationPage, nonce: str = "", mark: str = "", now: Instant | None = None) -> FeedResponse:
    """Build the response for a page of the feed.

    ``nonce``: that of the request. ``mark``: signed mark of the page's end. ``now``: None if uncertain.
    """
    entries, moment = feed_entries(page), UNSET if now is None else now
    return FeedResponse(entries, page.sequence, page.complete, page.log_id, nonce, mark, page.is_restored, moment)


def feed_entries(page: RevocationPage) -> list[FeedEntry]:
    """Return the entries of a page in the format of the feed."""
    return [FeedEntry(e.sequence, e.kind, e.key, e.value, e.at, e.expires_at) for e in page.entries]


def _revoke(token: str, now: Instant, config: WebConfig) -> Flow[RevocationReceipt | None]:
    try:
        loaded = yield from load_session_of_token(token, now, config.issuer_config)
        return (yield from revoke_loaded_session(loaded, "revoked by its holder", now, config.issuer_config))
    except (Unauthenticated, NotFound):
        return None
