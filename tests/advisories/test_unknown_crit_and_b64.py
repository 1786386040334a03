"""Extensions we do not understand (RFC 7515 section 4.1.11, RFC 7797, CVE-2025-59420)."""

from typing import Any

import pytest

from keyturn.errors import TokenInvalid
from keyturn.tokens import KeySet, SigningKey, encode_base64url, verify_compact

HEADERS: list[dict[str, Any]] = [
    {"crit": ["exp"], "exp": 1},
    {"crit": ["cnf"], "cnf": {"jkt": "AAAA"}},
    {"crit": ["bork"], "bork": True},
    {"crit": ["bork"]},
    {"crit": ["b64"], "b64": False},
    {"crit": ["b64"], "b64": True},
    {"crit": []},
    {"crit": None},
    {"crit": "alg"},
    {"crit": {"bork": 1}},
    {"crit": ["alg", "kid", "typ"]},
    {"crit": [["bork"]]},
    {"b64": False},
    {"b64": True},
    {"b64": None},
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.conforms("RFC 7515 4.1.11")
def test_no_extension_is_accepted_even_well_signed(forge, key: SigningKey, header: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid, match="extension"):
        verify_compact(forge(key, **header), KeySet([key]))


def test_an_unencoded_payload_is_not_verified(key: SigningKey) -> None:
    """RFC 7797 section 3: a verifier that skips b64 reads other octets than were signed."""
    header = b'{"alg":"%b","typ":"at+jwt","b64":false,"crit":["b64"]}' % key.algorithm.encode()
    signing_input = encode_base64url(header) + b".e30"
    with pytest.raises(TokenInvalid):
        verify_compact(signing_input + b"." + encode_base64url(key.sign(signing_input)), KeySet([key]))
