"""Capacity model: closed formulas that compute the load of each part of a fleet from demand, supply and costs."""

import math
from dataclasses import dataclass, field

from keyturn.verifier.keys import KeySchedule
from keyturn_lab.capacity.costs import Costs
from keyturn_lab.capacity.demand import Demand, Supply
from keyturn_lab.capacity.scene import Scene

SQLITE_LOG_POLL_SECONDS = 0.005
STREAM_LOG_POLL_SECONDS = 0.005
MAX_INTERVAL_SECONDS = 1.0


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
    def is_push(self) -> bool:
        """True if servers send entries, False if verifiers poll."""
        return self.demand.transport != "http"

    @property
    def is_served_by_issuers(self) -> bool:
        """True if the issuers serve the feed, False if the store does."""
        return self.demand.transport in ("sse", "http")

    @property
    def interval_seconds(self) -> float:
        """Time between two polls, or two heartbeats."""
        quarter = self.demand.staleness_seconds / 4
        return quarter if self.is_push else min(MAX_INTERVAL_SECONDS, quarter)

    @property
    def log_poll_seconds(self) -> float:
        """Batch window: entries committed within this time are sent in one message."""
        return {"sqlite": SQLITE_LOG_POLL_SECONDS, "sse": STREAM_LOG_POLL_SECONDS}.get(self.demand.transport, 0.0)

    @property
    def batches_per_second(self) -> float:
        """Messages with entries sent to one reader. Revocations are a Poisson process."""
        rate, window = self.demand.revocations_per_second, self.log_poll_seconds
        return -math.expm1(-rate * window) / window if window else rate

    @property
    def polls_per_second(self) -> float:
        """Polls of all readers: one per interval, and one more after a page with entries, to detect the end."""
        if self.is_push:
            return 0.0
        extra_polls = -math.expm1(-self.demand.revocations_per_second * self.interval_seconds)
        return (
            self.demand.verifiers
            * (1 + extra_polls)
            / (self.interval_seconds + (1 + extra_polls) * self._answer_seconds)
        )

    @property
    def messages_per_second(self) -> float:
        """Messages to all readers, entries and heartbeats; 0 if readers poll, and for SQLite."""
        if not self.is_push or self.demand.transport == "sqlite":
            return 0.0
        heartbeats = 1 / self.interval_seconds if self.demand.transport == "sse" else 0.0
        return self.demand.verifiers * (self.batches_per_second + heartbeats)

    @property
    def feed_bytes_per_second(self) -> float:
        """Feed traffic of all readers."""
        demand, costs = self.demand, self.costs
        if demand.transport == "sqlite":
            return 0.0
        entries = demand.verifiers * demand.revocations_per_second * costs.entry_wire_bytes
        polls = self.polls_per_second * (costs.poll_bytes + 8 * costs.frame_bytes)
        return entries + polls + self.messages_per_second * (costs.frame_bytes + costs.heartbeat_bytes)

    @property
    def issuer_bytes_per_second(self) -> float:
        """Feed traffic of one issuer, or of the one store node that serves the feed."""
        return self.feed_bytes_per_second / (self.demand.issuers if self.is_served_by_issuers else 1)

    @property
    def log_reads_per_second(self) -> float:
        """Queries of the log in the store: by every poll, every notified listener and every worker of an issuer."""
        listeners = self.demand.verifiers if self.demand.transport == "postgresql" else 0
        workers = self.demand.issuers * self.supply.workers
        return self.polls_per_second + (listeners + workers) * self.batches_per_second

    # --- processors, in cores ---

    @property
    def issuer_cores(self) -> dict[str, float]:
        """CPU load of all issuers by cause."""
        demand, costs = self.demand, self.costs
        issued = demand.logins_per_second + demand.refreshes_per_second
        entries = demand.verifiers * demand.revocations_per_second * costs.entry_encode_seconds
        return {
            "password hashes": demand.logins_per_second * costs.hash_seconds,
            "signatures": issued * costs.sign_seconds,
            "logins, refreshes, revocations": (issued + demand.revocations_per_second) * costs.request_seconds,
            "polls of the feed": self.polls_per_second * costs.poll_seconds + (0 if self.is_push else entries),
            "streams of the feed": self.messages_per_second * costs.message_seconds
            if demand.transport == "sse"
            else 0.0,
            "key sets": self.key_fetches_per_second * costs.keys_seconds,
        }

    @property
    def key_fetches_per_second(self) -> float:
        """JWKS fetches of all verifiers; each repeats the fetch every ``refresh_seconds``."""
        return self.demand.verifiers / KeySchedule().refresh_seconds

    @property
    def redis_feed_cores(self) -> float:
        """Load of the single Redis thread that delivers entries."""
        return self.messages_per_second * self.costs.redis_message_seconds if self.demand.transport == "redis" else 0.0

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
        if self.demand.transport == "sqlite":
            return self.entries * self.costs.entry_apply_seconds
        hosts = self.demand.issuers if self.is_served_by_issuers else 1
        link = self.demand.verifiers * self.snapshot_bytes / (hosts * self.supply.link_bytes)
        work = self.demand.verifiers * (self.costs.poll_seconds + self.entries * self.costs.entry_encode_seconds)
        return max(link, work / (hosts * (self.supply.workers if self.is_served_by_issuers else 1)))

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
        store_servers = demand.verifiers if demand.transport == "sqlite" else 1
        servers = demand.issuers * self.supply.workers if self.is_served_by_issuers else store_servers
        return Scene(
            readers=demand.verifiers,
            servers=servers,
            revocations_per_second=demand.revocations_per_second,
            is_push=self.is_push,
            interval_seconds=self.interval_seconds,
            log_poll_seconds=self.log_poll_seconds,
            service_seconds=per_message[demand.transport],
            entry_seconds=0.0 if self.is_push else costs.entry_encode_seconds,
            travel_seconds=costs.travel_seconds,
            apply_seconds=costs.entry_apply_seconds,
            bound_seconds=demand.staleness_seconds,
        )

    @property
    def max_delay_seconds(self) -> float:
        """Longest time from commit to the last verifier without failures: one interval plus a pass over all readers."""
        broadcast = self.scene.service_seconds * self.demand.verifiers / self.scene.servers
        first_wait = self.log_poll_seconds if self.is_push else self.interval_seconds + self._answer_seconds
        # An entry committed just after a broadcast began waits for its end, and then for the next one.
        broadcast *= 2 if self.is_push else 1
        return first_wait + broadcast + self.costs.travel_seconds + self.costs.entry_apply_seconds

    @property
    def _answer_seconds(self) -> float:
        return self.costs.travel_seconds + self.costs.poll_seconds
