"""Passwords that the blocklist must refuse, and passwords that it must accept."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.password_strength import Blocklist
from keyturn.passwords import load_blocklist

SHIPPED = load_blocklist()


def refused(password: str, *context: str) -> bool:
    return SHIPPED.contains(password) or SHIPPED.is_guessable(password, context)


@pytest.mark.parametrize(
    "password",
    [
        # entries, in other spellings
        "correcthorsebatterystaple",
        "Correct Horse Battery Staple",
        "C0rr3ct-H0rs3-B4tt3ry-St4pl3",
        "iloveyousomuch!",
        "maytheforcebewithyou",
        "MotDePasseMotDePasse",
        "\u043f\u0430\u0440\u043e\u043b\u044c\u043f\u0430\u0440\u043e\u043b\u044c\u043f\u0430\u0440\u043e\u043b\u044c",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44",
        # padded
        "password1234567",
        "P@ssw0rd1234567",
        "Password2024!!!",
        "!!!!!!!dragon!!!!!!!",
        "iloveyousomuch2",
        "sunshine20012001",
        "welcome12345678",
        "administrator123",
        # said again, backwards, two in a row
        "passwordpassword",
        "drowssapdrowssap",
        "dragondragondragon",
        "football-baseball",
        "monkeysunshine1",
        "superman.batman",
        # counted, walked, repeated
        "aaaaaaaaaaaaaaa",
        "123456789012345",
        "987654321987654321",
        "abcabcabcabcabc",
        "abcdefghijklmno",
        "qwertyuiopasdfgh",
        "qwertyqwertyqwerty",
        "1q2w3e4r5t6y7u8i9o0p",
        "1qaz2wsx3edc4rfv",
        "!QAZ@WSX#EDC$RFV",
        "zaq12wsxcde34rfv",
        "asdfghjklasdfghjkl",
        "azertyuiopqsdfghjklm",
        "\u0439\u0446\u0443\u043a\u0435\u043d\u0433\u0448\u0449\u0437\u0445\u0444\u044b\u0432\u0430\u043f\u0440",
        "x7kx7kx7kx7kx7kx7k",
        "198419841984198",
    ],
)
def test_a_password_that_is_tried_first_is_refused(password: str) -> None:
    assert len(password) >= 15
    assert refused(password)


@pytest.mark.parametrize(
    "password",
    ["password", "dragon12", "Passw0rd", "qwerty12", "iloveyou", "abcd1234", "summer24", "11111111", "2001pass"],
)
def test_eight_characters_are_judged_alike(password: str) -> None:
    assert refused(password)


@pytest.mark.parametrize(
    "password",
    [
        "ada.lovelace@example.com",
        "adalovelace2024",
        "lovelaceadalovelace",
        "Lovelace!Lovelace!",
        "example.com-password",
        "Keyturn-Keyturn-1",
        "keyturnpassword1",
        "ecalevol12345678",
    ],
)
def test_a_password_built_on_common_words_is_refused(password: str) -> None:
    assert refused(password, "ada.lovelace@example.com", "Keyturn")


@pytest.mark.parametrize(
    "password",
    [
        "purple otters invent soup",
        "seven magpies borrowed a ladder",
        "vq7kmt2xhd9wbzr",
        "my dragon eats blue cheese daily",
        "Lovelace dreamt of brass looms",
        "hxqmvbtzrkwpjgy",
        "827364019283756",
        "\u5929\u6c17\u304c\u3044\u3044\u304b\u3089\u6563\u6b69\u3057\u307e\u3057\u3087\u3046\u306d",
    ],
)
def test_an_uncommon_password_passes(password: str) -> None:
    assert not refused(password, "ada.lovelace@example.com", "Keyturn")


@pytest.mark.parametrize(
    "alphabet", [string.ascii_lowercase, string.ascii_letters + string.digits, string.printable[:94]]
)
def test_random_passwords_pass(alphabet: str) -> None:
    draw = random.Random(1)
    assert not any(refused("".join(draw.choices(alphabet, k=15))) for _ in range(1000))
    eight = ["".join(draw.choices(alphabet, k=8)) for _ in range(1000)]
    assert sum(map(refused, eight)) < 60


def test_the_shipped_list_has_hundreds_of_real_entries_of_fifteen_characters() -> None:
    letters = [each for each in SHIPPED.entries() if len(each) >= 15]
    assert len(letters) >= 500
    assert len(SHIPPED) >= 2000


def test_an_empty_blocklist_detects_keyboard_walks_and_counting() -> None:
    empty = Blocklist([])
    assert len(empty) == 0
    assert empty.is_guessable("qwertyuiopasdfgh")
    assert not empty.is_guessable("passwordsarehard")
    assert not empty.contains("")


@given(st.text(max_size=64), st.lists(st.text(max_size=20), max_size=3))
def test_more_context_does_not_accept_a_rejected_password(password: str, context: list[str]) -> None:
    if SHIPPED.is_guessable(password):
        assert SHIPPED.is_guessable(password, context)
