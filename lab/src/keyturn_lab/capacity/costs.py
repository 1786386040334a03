"""Unit costs with their sources. All other figures are computed from these."""

from dataclasses import dataclass, field, fields

CALIBRATE = "measured: keyturn capacity --calibrate"
SERVED = "measured: tests/capacity/test_simulation_accuracy.py, a served worker on one core"
ENGINES = "measured: tests/capacity/test_service_costs.py"
BENCH = "measured: scripts/bench (bench/results/latest.json)"


def _cost(value: float, unit: str, source: str, meaning: str) -> float:
    cost_field: float = field(default=value, metadata={"unit": unit, "source": source, "meaning": meaning})
    return cost_field


@dataclass(frozen=True, slots=True)
class Costs:
    """Unit costs in bytes, seconds and rates per second. The metadata of a field has its unit, source and meaning.

    Measured on one core of a shared two-core Xeon with CPython 3.11.
    """

    # --- an entry of the denylist ---
    entry_bytes: float = _cost(120, "B", CALIBRATE, "one entry in a verifier's memory")
    entry_wire_bytes: float = _cost(135, "B", CALIBRATE, "one entry as JSON in a page of the feed")
    entry_deflated_bytes: float = _cost(23, "B", CALIBRATE, "the same, compressed")
    entry_encode_seconds: float = _cost(0.9e-6, "s", CALIBRATE, "an issuer writes one entry into a page")
    entry_apply_seconds: float = _cost(9e-6, "s", CALIBRATE, "a verifier reads, applies and later forgets one entry")

    # --- a session ---
    session_cache_bytes: float = _cost(1200, "B", CALIBRATE, "one session in a session cache")
    sqlite_session_bytes: float = _cost(400, "B", CALIBRATE, "one session in SQLite, indexes included")
    postgresql_session_bytes: float = _cost(500, "B", ENGINES, "one session in PostgreSQL, indexes included")
    redis_session_bytes: float = _cost(270, "B", ENGINES, "one session in Redis, its subject's index included")

    # --- one worker of an issuer, CPU time ---
    hash_seconds: float = _cost(1 / 57, "s", BENCH, "one argon2id hash (19 MiB, 2 passes)")
    sign_seconds: float = _cost(0.7e-3, "s", CALIBRATE, "one RS256 signature")
    request_seconds: float = _cost(0.5e-3, "s", SERVED, "one login or refresh beside its hash and signature")
    poll_seconds: float = _cost(0.7e-3, "s", SERVED, "one poll of the feed answered")
    message_seconds: float = _cost(60e-6, "s", SERVED, "one event written to one stream")
    keys_seconds: float = _cost(0.5e-3, "s", SERVED, "one JWKS fetch answered")
    introspect_seconds: float = _cost(1.0e-3, "s", SERVED, "one introspection answered")

    read_seconds: float = _cost(0.6e-3, "s", SERVED, "a verifier polls and reads an answer")

    # --- network traffic ---
    poll_bytes: float = _cost(700, "B", SERVED, "one poll without entries, both directions, headers included")
    heartbeat_bytes: float = _cost(70, "B", CALIBRATE, "one heartbeat of a stream")
    keys_bytes: float = _cost(1500, "B", CALIBRATE, "one JWKS answer, two RS256 keys and headers")
    frame_bytes: float = _cost(66, "B", "Ethernet, IPv4 and TCP with timestamps", "headers around each message")

    # --- stores, one node ---
    sqlite_writes: float = _cost(5153, "1/s", BENCH, "rotations per second, WAL, synchronous=FULL")
    sqlite_appends: float = _cost(4000, "1/s", CALIBRATE, "revocations per second: appends are one after another")
    log_read_seconds: float = _cost(0.3e-3, "s", CALIBRATE, "a process looks into SQLite's log and finds one entry")
    postgresql_writes: float = _cost(9600, "1/s", ENGINES, "compare-and-swap updates per second")
    postgresql_appends: float = _cost(
        300, "1/s", ENGINES, "revocations per second: one after another, a sync of the disk each"
    )
    postgresql_reads: float = _cost(20000, "1/s", ENGINES, "reads by key per second")
    redis_operations: float = _cost(37000, "1/s", ENGINES, "compare-and-swap scripts per second, one core")
    redis_message_seconds: float = _cost(5e-6, "s", ENGINES, "one entry delivered to one blocked reader")

    # --- latency ---
    travel_seconds: float = _cost(0.5e-3, "s", "assumed: one datacenter", "there and back between two hosts")


def describe_costs(costs: Costs) -> list[dict[str, object]]:
    """Return every cost with its unit, meaning and source."""
    return [{"name": each.name, "value": getattr(costs, each.name), **each.metadata} for each in fields(costs)]
