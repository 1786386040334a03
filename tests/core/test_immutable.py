"""Claims of an application as several requests share them."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from keyturn.core.claims import application_claims
from keyturn.core.immutable import EMPTY, ImmutableMapping, freeze

CLAIMS: dict[str, object] = {"tenant": 7, "roles": ["a", "b"], "plan": {"seats": [1, 2]}}


def test_a_frozen_mapping_equals_its_source_with_tuples_for_lists() -> None:
    assert freeze(CLAIMS) == {"tenant": 7, "roles": ("a", "b"), "plan": {"seats": (1, 2)}}
    assert freeze({}) is EMPTY


@pytest.mark.parametrize(
    "change",
    [
        lambda each: each.__setitem__("x", 1),
        lambda each: each.__delitem__("seats"),
        lambda each: each.__ior__({"x": 1}),
        lambda each: each.update(x=1),
        lambda each: each.setdefault("x", 1),
        lambda each: each.pop("seats"),
        lambda each: each.popitem(),
        lambda each: each.clear(),
    ],
)
def test_a_change_of_a_frozen_mapping_is_refused_at_any_depth(change: Callable[[Any], object]) -> None:
    frozen = freeze(CLAIMS)
    for each in (frozen, frozen["plan"]):
        with pytest.raises(TypeError, match="shared by several requests"):
            change(each)
    assert frozen == freeze(CLAIMS)


def test_a_change_of_the_source_does_not_reach_a_frozen_copy() -> None:
    source: dict[str, Any] = {"roles": ["a"], "plan": {"seats": 1}}
    frozen = freeze(source)
    source["roles"].append("admin")
    source["plan"]["seats"] = 2
    assert frozen == {"roles": ("a",), "plan": {"seats": 1}}


def test_a_frozen_mapping_can_be_copied_pickled_hashed_and_encoded() -> None:
    frozen = freeze(CLAIMS)
    assert copy.copy(frozen) is copy.deepcopy(frozen) is frozen
    pickled = pickle.loads(pickle.dumps(frozen))
    assert pickled == frozen
    assert type(pickled["plan"]) is ImmutableMapping
    assert hash(frozen) == hash(freeze(CLAIMS))
    assert json.loads(json.dumps(frozen)) == CLAIMS


def test_claims_that_only_keyturn_sets_are_not_the_applications() -> None:
    assert application_claims({"aud": ["orders"], "scope": "x", "tenant": 7}) == {"tenant": 7}
    assert application_claims({"aud": ["orders"]}) is EMPTY
