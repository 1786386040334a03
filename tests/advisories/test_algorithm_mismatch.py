"""The algorithm is the key's, never the token's (RFC 8725 section 3.1)."""

import pytest

from keyturn.errors import TokenInvalid
from keyturn.tokens import ALGORITHMS, KeySet, SigningKey, verify_compact


@pytest.mark.parametrize("claimed", [*ALGORITHMS, "ES256K", "RSA-OAEP", "dir", "A128GCM", "Ed25519", "rs256", "HS1"])
@pytest.mark.conforms("ASVS 9.1.2", "RFC 8725 3.1")
def test_a_header_cannot_choose_another_algorithm(forge, key: SigningKey, claimed: str) -> None:
    for header in ({"alg": claimed, "kid": key.kid}, {"alg": claimed}):
        if claimed != key.algorithm:
            with pytest.raises(TokenInvalid):
                verify_compact(forge(key, header), KeySet([key]))


def test_a_key_of_the_set_is_not_used_for_its_neighbours_algorithm(forge, every_key: dict[str, SigningKey]) -> None:
    keys = KeySet(every_key.values())
    for signer in every_key.values():
        for named in every_key.values():
            if signer is not named:
                for alg in (signer.algorithm, named.algorithm):
                    with pytest.raises(TokenInvalid):
                        verify_compact(forge(signer, {"alg": alg, "kid": named.kid}), keys)


def test_the_same_rsa_key_signs_with_one_padding_only(forge, every_key: dict[str, SigningKey]) -> None:
    """A valid PSS signature under the very same modulus is no PKCS#1 v1.5 one, nor the reverse, nor of another hash."""
    rsa = [key for name, key in every_key.items() if name[0] in "RP"]
    for signer in rsa:
        for dictated in rsa:
            if signer is not dictated:
                for alg in (signer.algorithm, dictated.algorithm):
                    with pytest.raises(TokenInvalid):
                        verify_compact(forge(signer, {"alg": alg, "kid": dictated.kid}), KeySet([dictated]))
