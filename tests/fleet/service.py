"""A service in a process of its own: ``python service.py ISSUER SERVICE_TOKEN BOUND``.

It is told ``sid token`` on lines of its standard input, and judges all it was told, over and over. ``? sid`` makes it
say whether it has refused that one; ``clock SECONDS`` sets its wall clock off by so many from then on; ``end`` makes it
print one JSON object: ``accepted``: per sid, when the last call that accepted it *began*; ``refused``: per sid, when
the first call that said "revoked" ended; ``unknown``: how often it said 503; ``others``: every other outcome;
``checks``. Moments are of CLOCK_MONOTONIC, which all processes of a machine share.
"""

import json
import os
import sys
import threading
import time

from keyturn import Verifier
from keyturn.errors import Refusal, RevocationUnknown, TokenRevoked, Unavailable
from keyturn.verifier import KeyCache, KeySchedule

PAUSE_SECONDS = 0.0005 if "TEST_LONG" in os.environ else 0.05


class Service:
    """Judges, and notes when."""

    def __init__(self, issuer: str, service_token: str, bound_seconds: float) -> None:
        # As everywhere: keys are fetched again well within the time that the next one is published ahead.
        schedule = KeySchedule(refresh_seconds=1.5, retry_seconds=0.5)
        keys = KeyCache(lambda: issuer + "/.well-known/jwks.json", schedule=schedule)
        self.off_seconds = 0.0
        self.verify = Verifier(
            issuer,
            issuer,
            keys=keys,
            revocation="feed",
            service_token=service_token,
            on_stale="refuse",
            staleness_seconds=bound_seconds,
            clock=lambda: time.time() + self.off_seconds,
        )
        self.tokens: dict[str, str] = {}
        self.accepted: dict[str, float] = {}
        self.refused: dict[str, float] = {}
        self.others: list[str] = []
        self.unknown = self.checks = 0

    def judge(self, sid: str, token: str) -> None:
        began_at = time.monotonic()
        self.checks += 1
        try:
            self.verify(token)
        except TokenRevoked:
            self.refused.setdefault(sid, time.monotonic())
            return
        except (RevocationUnknown, Unavailable):
            self.unknown += 1
            return
        except Refusal as refusal:
            self.others.append(f"{refusal.code}: {refusal.detail}")
            return
        self.accepted[sid] = began_at
        if sid in self.refused:
            self.others.append(f"{sid} was accepted after it was refused")

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            for sid, token in list(self.tokens.items()):
                self.judge(sid, token)
            # A request every so often, not a loop that leaves nobody else a core.
            time.sleep(PAUSE_SECONDS)


def main(issuer: str, service_token: str, bound_seconds: float) -> None:
    service, stop = Service(issuer, service_token, bound_seconds), threading.Event()
    judging = threading.Thread(target=service.run, args=(stop,))
    judging.start()
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "end\n":
            break
        first, second = line.split()
        if first == "?":
            print("yes" if second in service.refused else "no", flush=True)
        elif first == "clock":
            service.off_seconds = float(second)
        else:
            service.tokens[first] = second
    stop.set()
    judging.join()
    told = {name: getattr(service, name) for name in ("accepted", "refused", "unknown", "others", "checks")}
    print(json.dumps({**told, "metrics": repr(service.verify.metrics())}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
