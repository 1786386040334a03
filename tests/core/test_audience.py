"""Audiences of access tokens: ``resource`` selects within the grant, and exactly."""

from dataclasses import replace

import pytest

from core.test_claims import REALM, SESSION
from keyturn.core.audience import check_own_audience, granted_audience, read_names, select_audience
from keyturn.errors import InvalidTarget, TokenInvalid

API = "https://api.example.com/v1"
GRANTED = ("orders", "billing", API)
TWO = replace(REALM, audience=("orders", "billing"))


@pytest.mark.parametrize(
    ("resource", "audience"),
    [
        (None, GRANTED),
        (("orders",), ("orders",)),
        ((API,), (API,)),
        (("billing", "orders"), ("orders", "billing")),
        (["orders", "orders"], ("orders",)),
    ],
)
@pytest.mark.conforms("RFC 8707 2", "RFC 9068 3")
def test_a_resource_selects_in_the_order_of_the_grant(
    resource: tuple[str, ...] | None, audience: tuple[str, ...]
) -> None:
    assert select_audience(resource, GRANTED) == audience


UNGRANTED = [
    "",
    "stock",
    "order",
    "orderss",
    "Orders",
    "orders/",
    " orders",
    "orders ",
    "orders\n",
    "orders#x",
    "orders,billing",
    "*",
    "\uff4frders",
    "o\u200brders",
    "\u043erders",
    API + "/",
    API + "#part",
    API + "#",
    API + "?",
    API + "/../v1",
    "https://API.example.com/v1",
    "https://api.example.com:443/v1",
    "https://api.example.com/%76%31",
    "https://api.example.com",
    "//api.example.com/v1",
    "/v1",
    "../v1",
    "x" * 1_000_000,
    "\ud800",
]


@pytest.mark.parametrize("name", UNGRANTED, ids=lambda name: repr(name[:40]))
@pytest.mark.conforms("RFC 8707 2")
def test_a_resource_that_only_resembles_a_granted_one_is_refused(name: str) -> None:
    for resource in ([name], ["orders", name]):
        with pytest.raises(InvalidTarget):
            select_audience(resource, GRANTED)


def test_an_empty_resource_does_not_mean_all() -> None:
    with pytest.raises(InvalidTarget):
        select_audience((), GRANTED)


@pytest.mark.parametrize("resource", [None, ("orders",)])
def test_a_login_whose_audiences_are_gone_is_asked_to_log_in_again(resource: tuple[str, ...] | None) -> None:
    with pytest.raises(InvalidTarget) as refused:
        select_audience(resource, ())
    assert refused.value.hint.endswith("log in again.")


@pytest.mark.parametrize(
    ("stored", "audience"),
    [
        ({}, ("orders", "billing")),
        ({"aud": ["billing"]}, ("billing",)),
        ({"aud": ["billing", "orders"]}, ("orders", "billing")),
        ({"aud": ["billing", "removed"]}, ("billing",)),
        ({"aud": ["removed"]}, ()),
        ({"aud": []}, ()),
        ({"aud": "orders, billing"}, ()),
        ({"aud": {"orders": 1}}, ()),
        ({"aud": 7}, ()),
    ],
)
def test_a_session_is_granted_what_its_login_selected_and_is_still_configured(
    stored: dict[str, object], audience: tuple[str, ...]
) -> None:
    assert granted_audience(replace(SESSION, claims=stored), TWO) == audience


ISSUER = REALM.issuer


@pytest.mark.parametrize(
    ("configured", "aud", "unlimited", "limited"),
    [
        (("orders",), "orders", True, False),
        (("orders",), ["orders", "x"], True, False),
        (("orders",), "order", False, False),
        (("orders", "billing"), ["orders", "billing"], True, False),
        (("orders", "billing"), "orders", True, False),
        (("orders", "billing"), ["billing"], False, False),
        (("orders", "billing"), [], False, False),
        (("orders", "billing"), [ISSUER], True, True),
        ((ISSUER, "orders"), ISSUER, True, True),
        ((ISSUER, "orders"), ["orders", ISSUER], True, True),
        ((ISSUER, "orders"), "orders", False, False),
        ((ISSUER, "orders"), ISSUER + "/", False, False),
    ],
)
@pytest.mark.conforms("RFC 8707 3")
def test_the_issuer_accepts_a_limited_token_only_for_itself(
    configured: tuple[str, ...], aud: str | list[str], unlimited: bool, limited: bool
) -> None:
    realm = replace(REALM, audience=configured)
    for is_limited, is_accepted in ((False, unlimited), (True, limited)):
        if is_accepted:
            check_own_audience(aud, is_limited, realm)
        else:
            with pytest.raises(TokenInvalid):
                check_own_audience(aud, is_limited, realm)


@pytest.mark.parametrize("names", ["a", ["a"], ("a", "a"), iter(["a"]), frozenset({"a"})])
def test_one_name_and_a_list_of_it_are_the_same(names: object) -> None:
    assert read_names("audience", names) == ("a",)  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [b"a", 1, None, [b"a"], ["a", None], [["a"]]])
def test_names_of_another_type_are_refused(names: object) -> None:
    with pytest.raises(TypeError, match="resource must be"):
        read_names("resource", names)  # type: ignore[arg-type]
