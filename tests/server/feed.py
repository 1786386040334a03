"""The feed as a stream, read without the reader that we ship."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

STREAM = {"accept": "text/event-stream"}


class Event(NamedTuple):
    name: str
    mark: str
    data: dict[str, Any]

    @property
    def keys(self) -> list[str]:
        return [each["key"] for each in self.data["entries"]]


def events(lines: Iterator[str]) -> Iterator[Event]:
    name = mark = ""
    for line in lines:
        kind, _, value = line.partition(": ")
        if kind == "event":
            name, mark = value, ""
        elif kind == "id":
            mark = value
        elif kind == "data":
            yield Event(name, mark, json.loads(value))


@contextmanager
def open_stream(url: str, query: str = "", *, seconds: float = 30, **headers: str) -> Iterator[Iterator[Event]]:
    """Open a stream and yield its events after the opening. ``seconds``: read timeout."""
    sent = STREAM | {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.stream("GET", f"{url}/auth/revocations{query}", headers=sent, timeout=seconds) as answer:
        assert answer.status_code == 200
        told = events(answer.iter_lines())
        assert next(told).name == "opening"
        yield told
