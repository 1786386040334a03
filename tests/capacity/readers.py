"""N real readers of a served feed, in one process: ``python readers.py URL N INTERVAL``, told by its standard input.

They poll every INTERVAL seconds; where that is 0 they listen to streams.

It says ``ready`` once every reader has first news; ``stop`` makes it print what was seen as one JSON object:
``seen``: [sequence, monotonic seconds] of every reader; ``polls``: exchanges; ``cpu``: processor seconds of them.
"""

import itertools
import json
import sys
import threading
import time
from typing import Any

from keyturn.core.revocation import Revocation, RevocationSet
from keyturn.verifier import HttpFeed
from keyturn.verifier.fetch import fetch
from keyturn.verifier.sse import listen


class Noting(RevocationSet):
    """A denylist that notes when it learned what."""

    def __init__(self, seen: list[tuple[int, float]]) -> None:
        super().__init__()
        self.seen = seen

    def apply(self, entry: Revocation) -> None:
        super().apply(entry)
        self.seen.append((entry.sequence, time.monotonic()))


def main(url: str, count: int, interval_seconds: float) -> None:
    seen: list[tuple[int, float]] = []
    polls = itertools.count()

    def counted(asked: Any) -> bytes:
        next(polls)
        return fetch(asked)

    stream = None if interval_seconds else listen
    feeds = [HttpFeed(url, interval_seconds=interval_seconds or 1.0, send=counted, stream=stream) for _ in range(count)]
    for number, feed in enumerate(feeds):
        feed._reader.revocations = Noting(seen)
        # At no common phase, as services that were not started together are.
        threading.Timer(number * interval_seconds / count, feed.start).start()
    while not all(feed.freshness.complete_as_of > 0 for feed in feeds):
        time.sleep(0.01)
    began, cpu, at = next(polls) + 1, time.process_time(), time.monotonic()
    print("ready", flush=True)
    sys.stdin.readline()
    seconds = time.monotonic() - at
    asked = next(polls) - began
    result = {"seen": seen, "polls": asked, "seconds": seconds, "cpu": time.process_time() - cpu}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
