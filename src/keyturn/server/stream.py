"""Stream: the revocation feed as Server-Sent Events (WHATWG HTML section 9.2). Snapshot, entries, heartbeats."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from keyturn.compose.parts import Parts
from keyturn.core.revocation import Page
from keyturn.errors import Overloaded, Refusal, StoreUnavailable
from keyturn.server.exchange import send_reply
from keyturn.web.endpoints.service import feed_after, feed_answer
from keyturn.web.guard import require_feed_reader
from keyturn.web.message import Request
from keyturn.web.problem import problem
from keyturn.web.site import Site

PATH = "/auth/revocations"
STREAMS = 500
PAGE = 1000
LOOK_SECONDS = 0.01


class FeedStream:
    """Answers ``Accept: text/event-stream`` on the feed's path; everything else is ``rest``'s.

    A heartbeat is sent only while this worker's own news is fresh: a reader that hears nothing grows stale, as it must.
    """

    def __init__(self, parts: Parts, site: Site, rest: ASGIApp) -> None:
        self._parts = parts
        self._site = site
        self._rest = rest
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream, or pass on."""
        if scope["type"] != "http" or scope["path"] != PATH or not _wants_stream(scope):
            await self._rest(scope, receive, send)
            return
        try:
            told = await self._tell(self._admit(scope))
        except Refusal as refusal:
            await send_reply(problem(refusal, PATH), send)
            return
        self._open += 1
        try:
            headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
            response = StreamingResponse(self._events(told), headers=headers, media_type="text/event-stream")
            await response(scope, receive, send)
        finally:
            self._open -= 1

    def _admit(self, scope: Scope) -> int | None:
        query = scope["query_string"].decode("latin-1")
        request = Request("GET", PATH, query, scope["headers"])
        require_feed_reader(request, self._site)
        if self._open >= STREAMS:
            raise Overloaded("too many feed readers on this worker", retry_after_seconds=5)
        return feed_after(request)

    async def _tell(self, position: int | None) -> "_Told":
        log, heard = self._parts.store.log, self._parts.near.sequence
        page: Page = await (log.snapshot() if position is None else log.after(position, PAGE))
        event = _event("snapshot" if position is None else "entries", msgspec.json.encode(feed_answer(page)))
        more = not page.complete or (position is not None and len(page.entries) == PAGE)
        return _Told(event, page.sequence if page.complete else None, heard, more)

    async def _events(self, told: "_Told") -> AsyncIterator[bytes]:
        near = self._parts.near
        heartbeat_seconds = self._parts.realm.profile.token.staleness_seconds / 4
        yield told.event
        quiet = 0.0
        while True:
            if told.more or near.sequence != told.heard:
                try:
                    told = await self._tell(told.position)
                except StoreUnavailable:
                    return  # the answer has begun: all that is left is to end it, and the reader comes again
                yield told.event
                quiet = 0.0
            await asyncio.sleep(LOOK_SECONDS)
            quiet += LOOK_SECONDS
            if quiet >= heartbeat_seconds and near.fresh:
                news = {"sequence": told.position, "age_seconds": round(near.age_seconds, 3)}
                yield _event("heartbeat", msgspec.json.encode(news))
                quiet = 0.0


@dataclass(frozen=True, slots=True)
class _Told:
    """``position``: where the reader stands; ``None`` where it needs a snapshot. ``heard``: the greatest sequence
    number this worker had heard of before it looked. ``more``: look again at once."""

    event: bytes
    position: int | None
    heard: int
    more: bool


def _wants_stream(scope: Scope) -> bool:
    accepts = [value for name, value in scope["headers"] if name == b"accept"]
    return scope["method"] == "GET" and any(b"text/event-stream" in value for value in accepts)


def _event(name: str, content: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), content)
