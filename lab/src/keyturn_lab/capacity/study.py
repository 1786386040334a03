"""Study of one demand: the figures of the model, the limits and the simulation, also as a JSON record."""

from dataclasses import asdict, dataclass

from keyturn_lab.capacity.costs import describe_costs
from keyturn_lab.capacity.limits import Limit, first_limit, limits_of
from keyturn_lab.capacity.model import Model
from keyturn_lab.capacity.simulation import Outcome

STEPS = ("B", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of the model, for display."""

    chapter: str
    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Study:
    """Model of a fleet. ``outcome``: result of the simulation of ``model.scene``."""

    model: Model
    outcome: Outcome

    @property
    def limits(self) -> list[Limit]:
        """All limits, the most loaded first."""
        return limits_of(self.model)

    @property
    def bottleneck(self) -> Limit:
        """The limit that is reached first."""
        return first_limit(self.model)

    @property
    def verdict(self) -> str:
        """The result in one or two sentences."""
        limit = self.bottleneck
        if limit.is_met:
            return f"Everything holds. {_capitalize(limit.name)} would break first, at {1 / limit.load:.3g} times this."
        return (
            f"{_capitalize(limit.name)} breaks first: {limit.load:.3g} times what there is. What to do: {limit.remedy}."
        )

    @property
    def lines(self) -> list[Line]:
        """The figures, by chapter."""
        return [*_memory(self.model), *_feed(self.model), *_work(self.model), *_delay_lines(self)]

    def record(self) -> dict[str, object]:
        """Return all inputs, costs and results for JSON, in bytes, seconds and rates per second."""
        limits = [asdict(each) | {"load": each.load, "holds": each.is_met} for each in self.limits]
        outcome = {name: getattr(self.outcome, name) for name in self.outcome.__slots__ if name != "delays"}
        quantiles = {f"p{share * 100:g}": self.outcome.quantile(share) for share in (0.5, 0.99, 1.0)}
        return {
            "demand": asdict(self.model.demand),
            "supply": asdict(self.model.supply),
            "figures": [asdict(each) for each in self.lines],
            "limits": limits,
            "breaks_first": self.bottleneck.name,
            "verdict": self.verdict,
            "simulated": outcome | {"seen_seconds": quantiles, "samples": len(self.outcome.delays)},
            "costs": describe_costs(self.model.costs),
        }


def format_figure(value: float, unit: str) -> str:
    """Format a figure for people."""
    if unit in ("B", "B/s"):
        prefix = 0
        while abs(value) >= 1000 and prefix < len(STEPS) - 1:
            value, prefix = value / 1000, prefix + 1
        return f"{value:.3g} {STEPS[prefix]}{unit[1:]}"
    if unit == "s" and abs(value) < 1:
        return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"
    return f"{value:,.0f} {unit}".strip() if abs(value) >= 100 else f"{value:.3g} {unit}".strip()


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def _memory(model: Model) -> list[Line]:
    return [
        Line("memory", "sessions in the store", model.store_bytes, "B"),
        Line("memory", f"one session ({model.demand.store})", model.session_bytes, "B"),
        Line("memory", "store nodes, replicas aside", model.nodes, ""),
        Line("memory", "entries alive", model.entries, ""),
        Line("memory", "denylist of one verifier", model.denylist_bytes, "B"),
    ]


def _feed(model: Model) -> list[Line]:
    return [
        Line("feed", "polls, of all verifiers", model.polls_per_second, "1/s"),
        Line("feed", "messages, to all verifiers", model.messages_per_second, "1/s"),
        Line(
            "feed",
            f"bytes, of one {'issuer' if model.is_served_by_issuers else 'node'}",
            model.issuer_bytes_per_second,
            "B/s",
        ),
        Line("feed", "log reads in the store", model.log_reads_per_second, "1/s"),
        Line("feed", "snapshot for one verifier", model.snapshot_bytes, "B"),
        Line("feed", "restart of all verifiers", model.restart_seconds, "s"),
        Line("feed", "JWKS fetches, of all verifiers", model.key_fetches_per_second, "1/s"),
    ]


def _work(model: Model) -> list[Line]:
    parts = [Line("processors", f"issuers: {name}", cores, "cores") for name, cores in model.issuer_cores.items()]
    return [
        *parts,
        Line("processors", "one verifier, following the feed", model.verifier_cores, "cores"),
        Line("processors", "session writes in the store", model.writes_per_second, "1/s"),
    ]


def _delay_lines(study: Study) -> list[Line]:
    outcome = study.outcome
    return [
        Line("revoke to refusal", "worst, by formula", study.model.max_delay_seconds, "s"),
        Line("revoke to refusal", "p50, simulated", outcome.quantile(0.5), "s"),
        Line("revoke to refusal", "p99, simulated", outcome.quantile(0.99), "s"),
        Line("revoke to refusal", "longest, simulated", outcome.quantile(1.0), "s"),
        Line("revoke to refusal", "oldest news of any verifier, simulated", outcome.longest_age_seconds, "s"),
    ]
