"""Checks of public keys: weak keys, which let an attacker forge signatures, are refused.

Every function returns the problem as text, or ``None`` for a sound key.
"""

from math import gcd, isqrt, prod

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keyturn.tokens.algorithms import Algorithm, Ecdsa, Hmac, PublicMaterial
from keyturn.tokens.hmac_secrets import secret_problem
from keyturn.tokens.roca import PRIMES, is_roca

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
MIN_RSA_EXPONENT, MAX_RSA_EXPONENT_BITS = 65537, 64
_SMALL_FACTORS = prod(PRIMES)
_FERMAT_ROUNDS = 100

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ORDER_EIGHT = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
# y of every point of order 1, 2, 4 and 8 on edwards25519 (RFC 7748 section 7, RFC 8032 section 5.1.7).
_LOW_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_EIGHT, _P - _ORDER_EIGHT})


def key_problem(algorithm: Algorithm, public: PublicMaterial) -> str | None:
    """Return why ``public`` is unfit for ``algorithm``, or ``None``. The type of the key is checked elsewhere."""
    match public:
        case rsa.RSAPublicKey():
            numbers = public.public_numbers()
            return rsa_problem(numbers.n, numbers.e)
        case ec.EllipticCurvePublicKey():
            return curve_problem(algorithm, public)
        case Ed25519PublicKey():
            return ed25519_problem(public.public_bytes_raw())
        case _:
            return secret_problem(public, algorithm.size) if isinstance(algorithm, Hmac) else None


def rsa_problem(modulus: int, exponent: int) -> str | None:
    """Check size, exponent and modulus of an RSA key (FIPS 186-5 section 5.1, NIST SP 800-131A, CVE-2017-15361)."""
    return _size_problem(modulus) or _exponent_problem(exponent) or _modulus_problem(modulus)


def _size_problem(modulus: int) -> str | None:
    if modulus.bit_length() < MIN_RSA_BITS:
        return f"it has {modulus.bit_length()} bits, under {MIN_RSA_BITS} (RFC 7518 section 3.3); make a longer key"
    if modulus.bit_length() > MAX_RSA_BITS:
        return f"its modulus has {modulus.bit_length()} bits, a denial of service; use at most {MAX_RSA_BITS}"
    return None


def _exponent_problem(exponent: int) -> str | None:
    if exponent < MIN_RSA_EXPONENT or exponent % 2 == 0:
        return "its public exponent is not odd and at least 65537 (FIPS 186-5 section 5.1); make a key with 65537"
    if exponent.bit_length() > MAX_RSA_EXPONENT_BITS:
        return "its public exponent is too large and makes verification slow; make a key with 65537"
    return None


def _modulus_problem(modulus: int) -> str | None:
    if modulus % 2 == 0 or gcd(modulus, _SMALL_FACTORS) != 1:
        return "its modulus has a small factor, so anyone can sign with it; make a new key"
    if is_roca(modulus):
        return "its modulus was made by Infineon's RSALib (ROCA, CVE-2017-15361) and can be factored; make a new key"
    if _has_close_primes(modulus):
        return "its two primes are too close (Fermat, CVE-2022-26320) and it can be factored; make a new key"
    return None


def _has_close_primes(modulus: int) -> bool:
    middle = isqrt(modulus - 1) + 1
    return any(isqrt(rest := a * a - modulus) ** 2 == rest for a in range(middle, middle + _FERMAT_ROUNDS))


def curve_problem(algorithm: Algorithm, public: ec.EllipticCurvePublicKey) -> str | None:
    """Check that the curve is the one ``algorithm`` requires (RFC 7518 section 3.4).

    ``cryptography`` itself refuses points off the curve.
    """
    if isinstance(algorithm, Ecdsa) and public.curve.name != algorithm.curve.name:
        return f"its curve is {public.curve.name} and {algorithm.name} requires {algorithm.crv}; use that one"
    return None


def ed25519_problem(encoded: bytes) -> str | None:
    """Refuse low-order points, under which one signature fits many messages, and invalid points.

    Source: RFC 8032 section 5.1.3.
    """
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if y % _P in _LOW_ORDER_Y:
        return "it is a point of low order, under which anyone can sign; make a new key"
    if y >= _P or not _is_on_curve(y):
        return "it is not the canonical encoding of a point of edwards25519 (RFC 8032 section 5.1.3); make a new key"
    return None


def _is_on_curve(y: int) -> bool:
    # x ** 2 = (y ** 2 - 1) / (d * y ** 2 + 1) must be a square: Euler's criterion.
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return pow(square, (_P - 1) // 2, _P) == 1
