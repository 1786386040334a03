"""Events of the revocation feed as bytes, and an opener of streams that contain them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request

from keyturn.core.revocation import ENDED
from keyturn.errors import Unavailable

URL = "https://auth.example.com/auth/revocations"
NOW = 1_800_000_000
LOG = 7


def line(sequence: int, key: str = "", **changes: Any) -> dict[str, Any]:
    whole = {"kind": "session", "key": key or str(sequence), "value": ENDED, "at": NOW, "expires_at": NOW + 600}
    return {**whole, "sequence": sequence, **changes}


def event(name: str, /, **said: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(said)}\n\n".encode()


def opening(clock: float = 1000.0) -> bytes:
    return event("opening", process="p", clock=clock, heartbeat_seconds=1.25)


def news(name: str, after: int, *sequences: int, stamp: float | None = None, log: int = LOG, **more: Any) -> bytes:
    said = {"process": "p", "log": log, "after": after, "sequence": max(sequences, default=after), **more}
    entries = [line(each) for each in sequences]
    return event(name, entries=entries, **said, **({} if stamp is None else {"stamp": stamp}))


class RecordingReader:
    """Opener of streams with given chunks, one after the other; then no stream can be opened."""

    def __init__(self, monotonic: Any) -> None:
        self.streams: list[Any] = []
        self.requests: list[Request] = []
        self.monotonic = monotonic

    @contextmanager
    def __call__(self, asked: Request, seconds: float) -> Iterator[Iterator[bytes]]:
        assert seconds == 2.5
        self.requests.append(asked)
        if not self.streams:
            raise Unavailable("no stream")
        yield self._chunks(self.streams.pop(0))

    def _chunks(self, parts: list[Any]) -> Iterator[bytes]:
        for part in parts:
            if callable(part):
                part()
            else:
                yield part
