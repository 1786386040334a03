"""What runs in which part of the suite, with how many workers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """One run of pytest. ``group``: ``loadfile`` keeps the tests of a file together, ``loadgroup`` where they must."""

    name: str
    paths: tuple[str, ...]
    workers: int
    options: tuple[str, ...] = ()
    group: str = "loadfile"

    def arguments(self) -> list[str]:
        """Return what pytest is given."""
        parallel = ["-n", str(self.workers), "--dist", self.group, "--no-loadscope-reorder"]
        parallel.append("--max-worker-restart=0")  # one that crashes outside of a test would be replaced in silence
        return [*self.paths, *parallel, *self.options]


CONTRACT = "tests/stores/test_store_contract.py"
JUDGED = ("core", "connections", "flows", "tokens", "verifier", "web")
"""Packages whose every branch the first phase alone must take: those under coverage in ``pyproject.toml``."""

QUICK = Phase(
    "decisions",
    (
        *(f"tests/{each}" for each in ("fuzz", "advisories", *JUDGED, "pages", "integrations", "config")),
        "tests/test_entropy.py",
        "tests/test_issuer.py",
        "tests/test_passwords.py",
        "tests/passwords",
        "tests/test_restored_database.py",
        CONTRACT,
    ),
    workers=2,
)
"""No database server is started. Files that take longest come first: else one worker ends long after the other."""

STORES = Phase(
    "stores",
    (
        *(f"tests/{each}" for each in ("stores", "accounts", "interleavings", "state_machine", "transports", "bench")),
        "tests/test_issuer_life.py",
    ),
    workers=5,
    options=(f"--ignore={CONTRACT}",),
    group="loadgroup",
)

WAITING = Phase(
    "servers",
    (
        *(
            f"tests/{each}"
            for each in ("faults", "fleet", "server", "docs", "cli", "compare", "capacity", "end_to_end")
        ),
        *(f"tests/{each}" for each in ("examples", "external_clients", "deploy", "services")),
        *(f"tests/{each}" for each in ("tiers", "repository", "mutation")),
    ),
    workers=5,
    group="loadgroup",
)
"""What waits for servers most of its time: more workers than cores."""

PHASES = (QUICK, STORES, WAITING)

RACES = Phase(
    "races",
    tuple(f"tests/stores/test_{each}_contract.py" for each in ("store", "postgresql", "redis")),
    workers=3,
    options=("-k", "racing or beside or follower_sees or loses_no or never_takes or never_both", "--again", "5"),
    group="loadgroup",
)
"""The races of the store contract five times, with ``--long``: threads meet otherwise each time."""
