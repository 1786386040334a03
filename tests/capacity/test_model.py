"""The formulas: what follows from what, and what breaks first."""

from dataclasses import replace

import pytest

from keyturn.errors import ConfigurationError
from keyturn_lab.capacity.costs import Costs, describe_costs
from keyturn_lab.capacity.demand import TRANSPORTS, Demand, Supply, typical_demand
from keyturn_lab.capacity.limits import first_limit, limits_of
from keyturn_lab.capacity.model import Model

INTERNET = typical_demand(1e8, 10_000, 20, store="redis")
STORM = replace(INTERNET, verifiers=10, revocations_per_second=20_000.0)


def test_live_entries_are_the_rate_times_the_retention() -> None:
    model = Model(replace(INTERNET, revocations_per_second=10.0))
    assert model.entries == 10.0 * model.demand.policy.retired_seconds
    assert model.denylist_bytes == model.entries * Costs().entry_bytes


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_doubled_demand_lowers_no_load(transport: str) -> None:
    store = transport if transport in ("sqlite", "postgresql", "redis") else "postgresql"
    small = typical_demand(1e5, 50, 2, transport=transport, store=store)  # type: ignore[arg-type]  # one of them
    large = replace(
        small,
        sessions=2 * small.sessions,
        verifiers=2 * small.verifiers,
        **{each: 2 * getattr(small, each) for each in small.__slots__ if each.endswith("_per_second")},
    )
    few = {each.name: each.load for each in limits_of(Model(small))}
    many = {each.name: each.load for each in limits_of(Model(large))}
    assert few.keys() == many.keys()
    assert all(many[name] >= few[name] for name in few)


@pytest.mark.parametrize(
    ("demand", "supply", "first"),
    [
        (typical_demand(1e8, 10, 20, store="postgresql"), Supply(node_bytes=16e9), "session memory"),
        (replace(INTERNET, verifiers=200_000), Supply(nodes=8), "restart of all verifiers"),
        (
            replace(INTERNET, verifiers=10, revocations_per_second=20_000.0),
            Supply(nodes=8, verifier_bytes=2**60),
            "verifier processors",
        ),
        (typical_demand(1e5, 5_000, 1, transport="postgresql", store="postgresql"), Supply(), "feed readers"),
        (replace(typical_demand(1e5, 10, 1), logins_per_second=500.0), Supply(), "issuer processors"),
    ],
)
def test_the_first_limit_to_break(demand: Demand, supply: Supply, first: str) -> None:
    limit = first_limit(Model(demand, supply))
    assert not limit.is_met
    assert not limit.outage
    assert limit.remedy
    assert limit.name == first


def test_an_idle_fleet_is_within_every_limit() -> None:
    assert first_limit(Model(typical_demand(0, 1, 1))).is_met


def test_the_first_limit_is_reached_at_the_predicted_growth() -> None:
    model = Model(INTERNET, Supply(nodes=8))
    limit = first_limit(model)
    grown = replace(INTERNET, verifiers=int(INTERNET.verifiers * 4))
    assert first_limit(Model(grown, model.supply)).load > limit.load


@pytest.mark.parametrize(
    "wrong",
    [
        {"verifiers": 0},
        {"issuers": 0},
        {"sessions": -1.0},
        {"revocations_per_second": float("nan")},
        {"checks_per_second": float("inf")},
        {"transport": "redis", "store": "postgresql"},
        {"access_seconds": 0},
    ],
)
def test_figures_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        replace(INTERNET, **wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_every_cost_names_its_source() -> None:
    for each in describe_costs(Costs()):
        assert each["source"], each
        assert each["unit"], each
        assert each["meaning"], each
