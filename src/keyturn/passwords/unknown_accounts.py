"""Work done for an account that does not exist: that of a hash which the table of accounts could hold (CWE-208)."""

import hmac
import math
from collections import Counter
from collections.abc import Iterable

from keyturn.passwords.formats import MissingPackage, StoredHash, parse_hash


class UnknownAccounts:
    """Choose a hash for each unknown account, so that the time of a failed login does not tell that it is unknown.

    ``current``: a hash as they are made now. ``samples``: hashes of stored accounts, in the shares of the table; only
    their formats and costs are used. ``key``: secret, equal in every process of a deployment.
    """

    def __init__(self, current: StoredHash, samples: Iterable[str], key: bytes) -> None:
        hashes = [each for each in map(_parse, samples) if each is not None] or [current]
        self._key = key
        self._weights = Counter(each.cost for each in hashes)
        self._imitations = {each.cost: each.imitate() for each in hashes}

    def choose(self, identifier: str) -> StoredHash:
        """Return a hash that matches no password. One identifier always gets the same cost.

        Costs are chosen in proportion to their shares by weighted rendezvous hashing: when the shares change, as hashes
        are upgraded, no identifier moves to a cost whose share got smaller.
        """
        return self._imitations[max(self._weights, key=lambda cost: self._score(cost, identifier))]

    def _score(self, cost: str, identifier: str) -> float:
        digest = hmac.digest(self._key, f"{cost}\0{identifier}".encode(errors="surrogatepass"), "sha256")
        uniform = (int.from_bytes(digest[:6]) + 1) / (2**48 + 1)
        return -self._weights[cost] / math.log(uniform)


def _parse(encoded: str) -> StoredHash | None:
    try:
        return parse_hash(encoded)
    except MissingPackage:
        return None
