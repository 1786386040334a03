"""Published examples: RFC 7515 appendix A, RFC 8037 appendix A, RFC 7638 section 3.1."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.errors import ConfigurationError
from keyturn.tokens import ALGORITHMS, KeySet, SigningKey, VerifyingKey, decode_base64url, verify_compact
from keyturn.tokens.algorithms import Hmac, verifier_for

PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
A1_SECRET = b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
A2_KEY = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ"
    "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca"
    "pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h"
    "4FRWyuXpoQ",
    "e": "AQAB",
}
A2_TOKEN = (
    f"eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
    "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
    "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ"
    "Ge77Rw"
)
A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
A3_TOKEN = (
    f"eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
A4_KEY = {
    "kty": "EC",
    "crv": "P-521",
    "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
}
A4_TOKEN = (
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZC"
    "PEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
)
RFC8037_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
RFC8037_SEED = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC8037_TOKEN = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
RFC7638_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
    "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu"
    "6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awa"
    "pJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
}


@pytest.mark.parametrize(
    ("jwk", "token"),
    [(A2_KEY, A2_TOKEN), (A3_KEY, A3_TOKEN), (A4_KEY, A4_TOKEN), (RFC8037_KEY, RFC8037_TOKEN)],
    ids=["RFC 7515 A.2", "RFC 7515 A.3", "RFC 7515 A.4", "RFC 8037 A.5"],
)
def test_published_signatures_verify(jwk: dict[str, str], token: str) -> None:
    payload = verify_compact(token, KeySet.from_jwks({"keys": [jwk]}), typ=None)
    assert payload == decode_base64url(token.split(".")[1].encode())


def test_the_published_hmac_fits_and_its_secret_is_refused_for_being_published() -> None:
    """RFC 7515 appendix A.1."""
    secret = decode_base64url(A1_SECRET)
    signature = decode_base64url(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert verifier_for(ALGORITHMS["HS256"], secret)(
        signature, f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}".encode()
    )
    with pytest.raises(ConfigurationError, match="published"):
        SigningKey("HS256", secret)


def test_the_published_ed25519_key_signs_as_published() -> None:
    """RFC 8037 appendix A.4; the key is wrapped as RFC 8410 section 7 says."""
    pkcs8 = bytes.fromhex("302e020100300506032b657004220420") + decode_base64url(RFC8037_SEED.encode())
    key = SigningKey.from_private_bytes("EdDSA", pkcs8)
    signing_input, _, signature = RFC8037_TOKEN.encode().rpartition(b".")
    assert key.sign(signing_input) == decode_base64url(signature)
    assert key.private_bytes() == pkcs8
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"  # RFC 8037 appendix A.3


def test_the_published_thumbprint_names_a_key_without_kid() -> None:
    (key,) = KeySet.from_jwks({"keys": [RFC7638_KEY]})
    assert isinstance(key, VerifyingKey)
    assert key.kid == key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@given(st.sampled_from(["HS256", "HS384", "HS512"]), st.binary(min_size=1, max_size=300), st.binary(max_size=300))
def test_our_hmac_is_the_standard_library_s(name: str, secret: bytes, message: bytes) -> None:
    algorithm = ALGORITHMS[name]
    assert isinstance(algorithm, Hmac)
    assert algorithm.sign(secret)(message) == hmac.digest(secret, message, algorithm.digest)
    assert algorithm.check(secret)(hmac.digest(secret, message, algorithm.digest), message)
