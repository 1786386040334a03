"""A service in a process of its own: ``python service.py ISSUER SERVICE_TOKEN BOUND``.

Commands are lines of standard input:

- ``SID TOKEN``: verify the token repeatedly.
- ``? SID``: print ``yes`` if the token of SID was refused as revoked, else ``no``.
- ``clock SECONDS``: offset the wall clock.
- ``end``: print one JSON object and exit. ``accepted``: per sid, the start of the last accepting call; ``refused``: per
  sid, the end of the first call that raised TokenRevoked; ``unknown``: number of 503 refusals; ``others``: every other
  outcome; ``checks``. Times are of CLOCK_MONOTONIC, which all processes of a machine share.
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
    """Verify tokens and record the time of each outcome."""

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

    def check(self, sid: str, token: str) -> None:
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
                self.check(sid, token)
            # Pause: a busy loop would take a core from the other processes.
            time.sleep(PAUSE_SECONDS)


def main(issuer: str, service_token: str, bound_seconds: float) -> None:
    service, stop = Service(issuer, service_token, bound_seconds), threading.Event()
    thread = threading.Thread(target=service.run, args=(stop,))
    thread.start()
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
    thread.join()
    verdicts = {name: getattr(service, name) for name in ("accepted", "refused", "unknown", "others", "checks")}
    print(json.dumps({**verdicts, "metrics": repr(service.verify.metrics())}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
