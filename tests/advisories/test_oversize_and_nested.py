"""Input made to cost more than it is worth: huge and deeply nested (CVE-2025-61920, CVE-2020-10735)."""

import pytest

from keyturn.errors import ConfigurationError, TokenInvalid, TokenMalformed
from keyturn.tokens import MAX_TOKEN_BYTES, KeySet, SigningKey, encode_base64url, verify_compact


@pytest.mark.parametrize(
    "token",
    [
        b"A" * 50_000_000,
        b"." * 10_000_000,
        b"A" * 10_000_000 + b".AA.AA",
        b"AA." + b"A" * 10_000_000 + b".AA",
        b"AA.AA." + b"A" * 10_000_000,
        "é" * 1_000_000,
    ],
    ids=["letters", "dots", "header", "payload", "signature", "text"],
)
def test_token_size_is_checked_before_decoding(
    key: SigningKey, token: bytes | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = list[int]()
    for name in ("decode_base64url", "read_header"):
        monkeypatch.setattr(f"keyturn.tokens.jws.{name}", lambda segment: decoded.append(len(segment)) or b"")
    with pytest.raises(TokenMalformed, match=f"at most {MAX_TOKEN_BYTES}"):
        verify_compact(token, KeySet([key]))
    assert decoded == []


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [9, 100, 990])
def test_nested_headers_are_malformed(forge, key: SigningKey, opening: str, closing: str, depth: int) -> None:
    inner = opening * depth + "1" + closing * depth
    header = f'{{"alg":"{key.algorithm}","kid":"{key.kid}","jwk":{inner}}}'.encode()
    with pytest.raises(TokenMalformed):
        verify_compact(forge(key, header), KeySet([key]))


def test_unfinished_nesting_is_malformed(key: SigningKey) -> None:
    for opening in (b"[", b"{", b'{"a":', b'[{"a":'):
        token = encode_base64url(opening * (6000 // len(opening))) + b".e30.AA"
        assert len(token) <= MAX_TOKEN_BYTES * 2
        with pytest.raises(TokenMalformed):
            verify_compact(token, KeySet([key]), max_bytes=len(token))


def test_huge_numbers_in_a_header_are_refused(forge, key: SigningKey) -> None:
    """CVE-2020-10735: reading a long number takes quadratic time."""
    for number in ("9" * 5000, "1e999999", "-" + "9" * 5000, "0." + "9" * 3000 + "e-5000000"):
        header = f'{{"alg":"none","kid":{number}}}'.encode()
        with pytest.raises((TokenMalformed, TokenInvalid)):
            verify_compact(forge(key, header), KeySet([key]))


def test_a_huge_or_nested_key_set_is_refused() -> None:
    for document in (b" " * 10_000_000, b'{"keys":' + b"[" * 100_000, b'{"keys":[' + b"{}," * 1000 + b"{}]}"):
        with pytest.raises(ConfigurationError):
            KeySet.from_jwks(document)
