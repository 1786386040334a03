"""Capacity model: closed formulas that compute the load of each part of a fleet from demand, supply and costs."""

import math
from dataclasses import dataclass, field

from keyturn.verifier.keys import KeySchedule
from keyturn_lab.capacity.costs import Costs
from keyturn_lab.capacity.demand import Demand, Supply
from keyturn_lab.capacity.scene import Scene

SQLITE_LOOK_SECONDS = 0.005
STREAM_LOOK_SECONDS = 0.005
LONGEST_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Model:
    """Load of each part of a fleet, in bytes, seconds and rates per second.

    Properties that start with ``issuer_`` or ``verifier_`` are per issuer or per verifier, except ``issuer_cores``.
    """

    demand: Demand
    supply: Supply = field(default_factory=Supply)
    costs: Costs = field(default_factory=Costs)

    # --- the denylist ---

    @property
    def entries(self) -> float:
        """Number of live entries (Little's law): their rate times their lifetime in the log."""
        return self.demand.revocations_per_second * self.demand.policy.retired_seconds

    @property
    def denylist_bytes(self) -> float:
        """Memory of the denylist of one verifier."""
        return self.entries * self.costs.entry_bytes

    @property
    def snapshot_bytes(self) -> float:
        """Bytes that a starting verifier reads."""
        return self.entries * self.costs.entry_wire_bytes

    # --- the feed ---

    @property
    def pushes(self) -> bool:
        """True if servers send entries, False if verifiers poll."""
        return self.demand.carrier != "http"

    @property
    def by_issuers(self) -> bool:
        """True if the issuers serve the feed, False if the store does."""
        return self.demand.carrier in ("sse", "http")

    @property
    def interval_seconds(self) -> float:
        """Time between two polls, or two heartbeats."""
        quarter = self.demand.staleness_seconds / 4
        return quarter if self.pushes else min(LONGEST_INTERVAL_SECONDS, quarter)

    @property
    def look_seconds(self) -> float:
        """Batch window: entries committed within this time are sent in one message."""
        return {"sqlite": SQLITE_LOOK_SECONDS, "sse": STREAM_LOOK_SECONDS}.get(self.demand.carrier, 0.0)

    @property
    def batches_per_second(self) -> float:
        """Messages with entries sent to one reader. Revocations are a Poisson process."""
        rate, look = self.demand.revocations_per_second, self.look_seconds
        return -math.expm1(-rate * look) / look if look else rate

    @property
    def polls_per_second(self) -> float:
        """Polls of all readers: one per interval, and one more after a page with entries, to detect the end."""
        if self.pushes:
            return 0.0
        again = -math.expm1(-self.demand.revocations_per_second * self.interval_seconds)
        return self.demand.verifiers * (1 + again) / (self.interval_seconds + (1 + again) * self._answer_seconds)

    @property
    def messages_per_second(self) -> float:
        """Messages to all readers, entries and heartbeats; 0 if readers poll, and for SQLite."""
        if not self.pushes or self.demand.carrier == "sqlite":
            return 0.0
        beats = 1 / self.interval_seconds if self.demand.carrier == "sse" else 0.0
        return self.demand.verifiers * (self.batches_per_second + beats)

    @property
    def feed_bytes_per_second(self) -> float:
        """Feed traffic of all readers."""
        demand, costs = self.demand, self.costs
        if demand.carrier == "sqlite":
            return 0.0
        entries = demand.verifiers * demand.revocations_per_second * costs.entry_wire_bytes
        polls = self.polls_per_second * (costs.poll_bytes + 8 * costs.frame_bytes)
        return entries + polls + self.messages_per_second * (costs.frame_bytes + costs.heartbeat_bytes)

    @property
    def issuer_bytes_per_second(self) -> float:
        """Feed traffic of one issuer, or of the one store node that serves the feed."""
        return self.feed_bytes_per_second / (self.demand.issuers if self.by_issuers else 1)

    @property
    def log_reads_per_second(self) -> float:
        """Queries of the log in the store: by every poll, every notified listener and every worker of an issuer."""
        listeners = self.demand.verifiers if self.demand.carrier == "postgresql" else 0
        workers = self.demand.issuers * self.supply.workers
        return self.polls_per_second + (listeners + workers) * self.batches_per_second

    # --- processors, in cores ---

    @property
    def issuer_cores(self) -> dict[str, float]:
        """CPU load of all issuers by cause."""
        demand, costs = self.demand, self.costs
        made = demand.logins_per_second + demand.refreshes_per_second
        entries = demand.verifiers * demand.revocations_per_second * costs.entry_encode_seconds
        return {
            "password hashes": demand.logins_per_second * costs.hash_seconds,
            "signatures": made * costs.sign_seconds,
            "logins, refreshes, revocations": (made + demand.revocations_per_second) * costs.request_seconds,
            "polls of the feed": self.polls_per_second * costs.poll_seconds + (0 if self.pushes else entries),
            "streams of the feed": self.messages_per_second * costs.message_seconds if demand.carrier == "sse" else 0.0,
            "key sets": self.key_fetches_per_second * costs.keys_seconds,
        }

    @property
    def key_fetches_per_second(self) -> float:
        """JWKS fetches of all verifiers; each repeats the fetch every ``refresh_seconds``."""
        return self.demand.verifiers / KeySchedule().refresh_seconds

    @property
    def redis_feed_cores(self) -> float:
        """Load of the single Redis thread that delivers entries."""
        return self.messages_per_second * self.costs.redis_message_seconds if self.demand.carrier == "redis" else 0.0

    @property
    def verifier_cores(self) -> float:
        """CPU load of following the feed in one verifier."""
        polls = self.polls_per_second / self.demand.verifiers
        return self.demand.revocations_per_second * self.costs.entry_apply_seconds + polls * self.costs.read_seconds

    # --- the store ---

    @property
    def session_bytes(self) -> float:
        """Bytes of one session in the store."""
        return float(getattr(self.costs, f"{self.demand.store}_session_bytes"))

    @property
    def store_bytes(self) -> float:
        """Bytes of all sessions in the store."""
        return self.demand.sessions * self.session_bytes

    @property
    def writes_per_second(self) -> float:
        """Session writes in the store: one for each login, refresh and revocation."""
        demand = self.demand
        return demand.logins_per_second + demand.refreshes_per_second + demand.revocations_per_second

    @property
    def node_writes_per_second(self) -> float:
        """Largest write rate of one node of the store."""
        costs = self.costs
        rates = {"sqlite": costs.sqlite_writes, "postgresql": costs.postgresql_writes, "redis": costs.redis_operations}
        return rates[self.demand.store]

    @property
    def appends_limit(self) -> float:
        """Largest append rate of the log. Appends are serialized, so that sequence order is commit order."""
        costs = self.costs
        rates = {
            "sqlite": costs.sqlite_appends,
            "postgresql": costs.postgresql_appends,
            "redis": costs.redis_operations,
        }
        return rates[self.demand.store]

    @property
    def nodes(self) -> int:
        """Number of store nodes needed for memory and writes, without replicas."""
        by_bytes = self.store_bytes / self.supply.node_bytes
        by_writes = self.writes_per_second / (self.node_writes_per_second * self.supply.busy_share)
        return max(1, math.ceil(max(by_bytes, by_writes)))

    # --- failures ---

    @property
    def restart_seconds(self) -> float:
        """Time until the last of all verifiers, restarted at once, has its snapshot; limited by link or CPU."""
        if self.demand.carrier == "sqlite":
            return self.entries * self.costs.entry_apply_seconds
        hosts = self.demand.issuers if self.by_issuers else 1
        link = self.demand.verifiers * self.snapshot_bytes / (hosts * self.supply.link_bytes)
        work = self.demand.verifiers * (self.costs.poll_seconds + self.entries * self.costs.entry_encode_seconds)
        return max(link, work / (hosts * (self.supply.workers if self.by_issuers else 1)))

    @property
    def introspection_cores(self) -> float:
        """CPU load if the feed were lost: every check becomes an introspection."""
        return self.demand.checks_per_second * self.costs.introspect_seconds

    # --- from revocation to refusal ---

    @property
    def scene(self) -> Scene:
        """Parameters for a simulation of the same fleet."""
        demand, costs = self.demand, self.costs
        per_message = {
            "sqlite": costs.log_read_seconds,
            "postgresql": 1 / costs.postgresql_reads,
            "redis": costs.redis_message_seconds,
            "sse": costs.message_seconds,
            "http": costs.poll_seconds,
        }
        alone = demand.verifiers if demand.carrier == "sqlite" else 1
        servers = demand.issuers * self.supply.workers if self.by_issuers else alone
        return Scene(
            readers=demand.verifiers,
            servers=servers,
            revocations_per_second=demand.revocations_per_second,
            pushes=self.pushes,
            interval_seconds=self.interval_seconds,
            look_seconds=self.look_seconds,
            service_seconds=per_message[demand.carrier],
            entry_seconds=0.0 if self.pushes else costs.entry_encode_seconds,
            travel_seconds=costs.travel_seconds,
            apply_seconds=costs.entry_apply_seconds,
            bound_seconds=demand.staleness_seconds,
        )

    @property
    def seen_seconds(self) -> float:
        """Longest time from commit to the last verifier without failures: one interval plus a pass over all readers."""
        turn = self.scene.service_seconds * self.demand.verifiers / self.scene.servers
        wait = self.look_seconds if self.pushes else self.interval_seconds + self._answer_seconds
        # An entry committed just after a broadcast began waits for its end, and then for the next one.
        turn *= 2 if self.pushes else 1
        return wait + turn + self.costs.travel_seconds + self.costs.entry_apply_seconds

    @property
    def _answer_seconds(self) -> float:
        return self.costs.travel_seconds + self.costs.poll_seconds
