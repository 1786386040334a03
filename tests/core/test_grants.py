"""Which scopes and claims survive: the decision, without an application."""

from collections.abc import Callable
from typing import Any

import pytest

from core.sessions import START
from keyturn.core.grants import Grant, apply_grant, asked_scope, parse_scope, read_grant, select_scope
from keyturn.core.session import ASKED_SCOPE, AUDIENCE, ClientInfo, Seed, Session
from keyturn.core.types import SessionId, Subject
from keyturn.errors import GrantsUnavailable, InvalidScope


def session(**changes: Any) -> Session:
    fields: dict[str, Any] = {"scope": "read write", "claims": {"tenant": 7}}
    times = (START, START, START, START)
    return Session(SessionId("s"), Subject("ada"), Seed(b""), ClientInfo(), 0, *times, **{**fields, **changes})


@pytest.mark.conforms("RFC 6749 3.3")
def test_scopes_are_separated_by_spaces_and_named_once() -> None:
    assert parse_scope("read  write read ") == ("read", "write")
    assert parse_scope("") == parse_scope("  ") == ()
    assert parse_scope("Read read !#[]~") == ("Read", "read", "!#[]~")


@pytest.mark.parametrize(
    "text", ['a"b', "a\\b", "a\tb", "a\nb", "é", "a\x7f", "x" * 1025, "keyturn:admin", "KeyTurn:x", "read keyturn:"]
)
def test_a_scope_of_other_characters_or_of_keyturn_is_refused(text: str) -> None:
    with pytest.raises(InvalidScope):
        parse_scope(text)


def test_scopes_that_were_not_asked_for_are_not_granted() -> None:
    assert select_scope(None, "read write") == "read write"
    assert select_scope(("write", "admin"), "read write") == "write"
    assert select_scope(("admin",), "read write") == ""
    assert select_scope(("admin",), "") == select_scope(None, "") == ""


def test_a_grant_is_a_tuple_of_scopes_and_claims() -> None:
    assert read_grant(Grant("read  write", {"tenant": 7})) == ("read write", {"tenant": 7})
    assert read_grant(("", {})) == read_grant(Grant()) == ("", {})


def cyclic() -> dict[str, object]:
    claims: dict[str, object] = {}
    claims["x"] = claims
    return claims


@pytest.mark.parametrize(
    "answer",
    [
        lambda: None,
        lambda: "read",
        lambda: ["read", {}],
        lambda: ("read",),
        lambda: ("read", {}, {}),
        lambda: (["read"], {}),
        lambda: (None, {}),
        lambda: ("read", None),
        lambda: ("read", [("tenant", 7)]),
        lambda: ("keyturn:admin", {}),
        lambda: ('a"b', {}),
        lambda: ("x" * 2000, {}),
        lambda: ("", {"password": "x"}),
        lambda: ("", {"sub": "eve"}),
        lambda: ("", {1: "x"}),
        lambda: ("", {"at": object()}),
        lambda: ("", {"x": float("nan")}),
        lambda: ("", {"x": "y" * 5000}),
        lambda: ("", cyclic()),
    ],
)
def test_another_answer_grants_nothing(answer: Callable[[], object]) -> None:
    with pytest.raises(GrantsUnavailable):
        read_grant(answer())


def test_a_grant_is_a_copy_that_the_application_cannot_change() -> None:
    claims: dict[str, Any] = {"roles": ("a", "b"), "plan": {"seats": 1}}
    grant = read_grant(("read", claims))
    claims["plan"]["seats"] = 1000
    assert grant.claims == {"roles": ["a", "b"], "plan": {"seats": 1}}


def test_a_grant_replaces_scopes_and_claims_of_the_application_only() -> None:
    before = session(claims={"tenant": 7, AUDIENCE: ["orders"], ASKED_SCOPE: ["read", "admin"]})
    after = apply_grant(before, Grant("admin write", {"role": "x"}))
    assert after.scope == "admin"
    assert after.claims == {"role": "x", AUDIENCE: ["orders"], ASKED_SCOPE: ["read", "admin"]}
    assert asked_scope(after) == ("read", "admin")


def test_the_same_grant_changes_nothing() -> None:
    before = session()
    assert apply_grant(before, Grant("read write", {"tenant": 7})) is before
    assert apply_grant(before, Grant("read", {"tenant": 7})).scope == "read"
    assert apply_grant(before, Grant("read write", {})).claims == {}
    assert asked_scope(before) is None
