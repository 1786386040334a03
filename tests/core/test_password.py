"""NIST SP 800-63B-4 section 3.1.1.2, rule by rule, and the preparation of RFC 8265."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.password import MAX_PASSWORD_OCTETS, prepare_password, validate_password
from keyturn.core.password_strength import Blocklist
from keyturn.core.policy import PasswordPolicy
from keyturn.errors import PasswordRejected

LISTED = Blocklist(["password", "correct horse battery staple", "dragon"])
ALONE = PasswordPolicy()
BESIDE_A_SECOND_FACTOR = PasswordPolicy(minimum=8)


def judge(password: str, policy: PasswordPolicy = ALONE, identifier: str = "ada.lovelace@example.com") -> None:
    validate_password(password, identifier, policy, LISTED, ["Keyturn"])


def reason(password: str, policy: PasswordPolicy = ALONE) -> str:
    with pytest.raises(PasswordRejected) as refused:
        judge(password, policy)
    return refused.value.reason


@pytest.mark.conforms("ASVS 6.2.1", "NIST SP 800-63B-4 3.1.1.2")
def test_a_password_needs_fifteen_characters_or_eight_with_a_second_factor() -> None:
    judge("quite-unlikely!")
    assert "at least 15" in reason("quite-unlikely")
    judge("vq7kmt2x", BESIDE_A_SECOND_FACTOR)
    assert "at least 8" in reason("vq7kmt2", BESIDE_A_SECOND_FACTOR)


@pytest.mark.conforms("ASVS 6.2.9", "NIST SP 800-63B-4 3.1.1.2")
def test_a_long_password_is_not_truncated() -> None:
    long = "".join(chr(0x4E00 + 7 * at) for at in range(256))
    judge(long)
    assert "at most 256" in reason(long + "x")


def test_a_character_is_a_code_point_after_normalisation() -> None:
    decomposed = "e\u0301" * 8
    assert len(decomposed) == 16
    assert "at least 15" in reason(decomposed)


@pytest.mark.conforms("ASVS 6.2.5", "NIST SP 800-63B-4 3.1.1.2")
def test_no_composition_rules() -> None:
    for password in (
        "purple otters invent soup",
        "hxqmvbtzrkwpjgy",
        "827364019283756",
        "\u5929\u6c17\u304c\u3044\u3044\u304b\u3089\u6563\u6b69\u3057\u307e\u3057\u3087\u3046\u306d",
    ):
        judge(password)


def test_a_rejection_names_its_reason_without_the_password() -> None:
    reasons = {
        reason("Correct Horse-Battery Staple"),
        reason("password20242025"),
        reason("keyturnkeyturn1"),
        reason("ada.lovelace@example.com"),
    }
    assert len(reasons) == 3
    assert not any("horse" in each.casefold() or "2024" in each or "ada" in each.split() for each in reasons)


def test_a_name_inside_a_longer_password_does_no_harm() -> None:
    judge("lovelace never owned a turnkey umbrella")


@pytest.mark.parametrize("broken", ["\x00", "\n", "\x7f", "\x85", "\ud800"])
def test_controls_and_halves_of_characters_are_refused(broken: str) -> None:
    with pytest.raises(PasswordRejected):
        judge(f"purple otters {broken} invent soup")
    with pytest.raises(PasswordRejected):
        prepare_password(broken)


def test_more_octets_than_the_cap_are_refused_before_any_work() -> None:
    assert len(prepare_password("x" * MAX_PASSWORD_OCTETS)) == MAX_PASSWORD_OCTETS
    for password in ("x" * (MAX_PASSWORD_OCTETS + 1), "\u00e9" * (MAX_PASSWORD_OCTETS // 2 + 1)):
        with pytest.raises(PasswordRejected):
            prepare_password(password)


def test_equivalent_unicode_spellings_are_one_password() -> None:
    assert prepare_password("pa\u0308ss\u00a0word\u2003x") == "p\u00e4ss word x"
    assert prepare_password("\uff21") == "\uff21"
    assert prepare_password("Password") != prepare_password("password")


@given(st.text(max_size=300))
def test_any_text_is_prepared_once_and_for_all_or_refused(text: str) -> None:
    try:
        prepared = prepare_password(text)
    except PasswordRejected:
        return
    assert prepare_password(prepared) == prepared
    prepared.encode()


@given(st.text(max_size=300), st.text(max_size=50))
def test_any_text_is_accepted_or_refused_with_a_reason(password: str, identifier: str) -> None:
    try:
        judge(password, BESIDE_A_SECOND_FACTOR, identifier)
    except PasswordRejected as refused:
        assert refused.reason  # noqa: PT017 (both outcomes are right)
