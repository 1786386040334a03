"""In-process cache of refused session tokens: a flood of dead cookies must not load the store (CWE-400)."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from keyturn.core.sealed import ParsedCredential
from keyturn.errors import Refusal

_CAPACITY = 10_000


class RefusalCache:
    """Thread-safe cache of refusals by whole credential, each for ``staleness_seconds`` at most.

    The key is the credential with its MAC, never its sid alone: a forged token of a session must not block the owner's.
    ``monotonic``: seconds. ``capacity``: largest number of credentials; the oldest refusal is removed.
    """

    def __init__(
        self, staleness_seconds: float, monotonic: Callable[[], float] = time.monotonic, *, capacity: int = _CAPACITY
    ) -> None:
        self._staleness_seconds = staleness_seconds
        self._monotonic = monotonic
        self._capacity = capacity
        self._refusals: OrderedDict[ParsedCredential, tuple[float, int, type[Refusal]]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._refusals)

    def get(self, credential: ParsedCredential, log_id: int) -> type[Refusal] | None:
        """Return the refusal of ``credential`` by the store of the log ``log_id``, or None if none is remembered."""
        refused = self._refusals.get(credential)
        if refused is None or refused[1] != log_id or self._monotonic() - refused[0] > self._staleness_seconds:
            return None
        return refused[2]

    def put(self, credential: ParsedCredential, log_id: int, refusal: type[Refusal]) -> None:
        """Remember a refusal. ``log_id``: id of the store's log, read *before* the store was asked.

        A restored store has another log: it may hold the session again.
        """
        with self._lock:
            self._refusals[credential] = (self._monotonic(), log_id, refusal)
            self._refusals.move_to_end(credential)
            while len(self._refusals) > self._capacity:
                self._refusals.popitem(last=False)
