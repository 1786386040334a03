"""Parser of event streams (WHATWG HTML section 9.2.6, server-sent events)."""

import re
from collections.abc import Iterator
from typing import Final

from keyturn.errors import Unavailable
from keyturn.verifier.fetch import FEED_BYTES

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class EventParser:
    """Incremental parser of one stream. Comments, unknown fields and an event without its end are ignored."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        """Pieces of a line without its end. Joined once: a search of the whole line per chunk would be quadratic."""
        self._rest_size = 0
        self._byte_order_mark = b"\xef\xbb\xbf"  # ignored before the first line
        self._ends_with_cr = False
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
        """Parse the next bytes. Yield name and data of each event that they end.

        Raises ``Unavailable`` for an event of more than ``FEED_BYTES``: it would fill the memory (CWE-400).
        """
        if self._ends_with_cr:  # "\r" and "\n" are one line end, even in two chunks
            chunk = chunk.removeprefix(b"\n")
        self._ends_with_cr = chunk.endswith(b"\r")
        *ends, rest = _LINE_END.split(chunk)
        for end in ends:
            line = b"".join((*self._rest, end))
            self._rest, self._rest_size = [], 0
            yield from self._read_line(line.removeprefix(self._byte_order_mark))
            self._byte_order_mark = b""
        self._rest.append(rest)
        self._rest_size += len(rest)
        if self._size + self._rest_size > FEED_BYTES:
            raise Unavailable(f"the stream sent an event of more than {FEED_BYTES} bytes")

    def _read_line(self, line: bytes) -> Iterator[tuple[str, bytes]]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if self._data:
                yield self._name, b"\n".join(self._data)
            self._name, self._data, self._size = "", [], 0
        elif field == b"event":
            self._name = value.decode("ascii", "replace")
        elif field == b"data":
            self._data.append(value)
            self._size += len(line) + 1
