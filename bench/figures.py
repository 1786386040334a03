"""Measured figures, with those of the peers and the goals."""

from dataclasses import asdict, dataclass, field
from typing import Any

from bench.sampling import Series, ratio


@dataclass
class Goal:
    """Goal for a figure: ``value`` at most ``limit``, or at least ``limit`` if ``at_most`` is False.

    ``why``: reason for a missed goal.
    """

    text: str
    value: float
    limit: float
    at_most: bool = True
    why: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass
class Figure:
    """One comparison. The first of ``series`` is that of Keyturn."""

    chapter: str
    work: str
    unit: str
    series: list[Series]
    goals: list[Goal] = field(default_factory=list)
    note: str = ""

    def find_series(self, name: str) -> Series:
        return next(each for each in self.series if each.name == name)

    def ratio_to(self, name: str) -> float:
        return ratio(self.series[0], self.find_series(name))

    def as_record(self) -> dict[str, Any]:
        """Return the figure as plain values, for JSON."""
        return {
            "chapter": self.chapter,
            "work": self.work,
            "unit": self.unit,
            "note": self.note,
            "series": [_series(each) for each in self.series],
            "goals": [{**asdict(each), "met": each.met} for each in self.goals],
        }


def _series(each: Series) -> dict[str, Any]:
    low, high = each.spread
    return {
        "name": each.name,
        "median": each.middle,
        "quartiles": [low, high],
        "samples": [round(sample, 4) for sample in each.samples],
    }
