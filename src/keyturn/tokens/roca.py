"""ROCA (CVE-2017-15361): detection of RSA moduli made by Infineon's RSALib, which can be factored in practice.

The library made every prime as ``p = k * M + (65537 ** a mod M)``, where M is the product of the first primes. The
modulus itself is therefore a power of 65537 modulo M (Nemec et al., CCS 2017, section 2.2). For every key size, M is a
multiple of the product of the primes up to 167. Modulo that product, too, the modulus has a discrete logarithm to the
base 65537; any other modulus has one with a probability of about 2 ** -150.
"""

from math import gcd

PRIMES = (
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
    109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
)  # fmt: skip
_GENERATOR = 65537


def _logarithms(prime: int) -> dict[int, int]:
    residues, power = {1: 0}, _GENERATOR % prime
    while power != 1:
        residues[power] = len(residues)
        power = power * _GENERATOR % prime
    return residues


_LOGARITHMS = {prime: _logarithms(prime) for prime in PRIMES}


def is_roca(modulus: int) -> bool:
    """Return True if one exponent solves ``65537 ** exponent == modulus`` modulo every prime of ``PRIMES``."""
    exponent, period = 0, 1
    for prime, logarithms in _LOGARITHMS.items():
        residue, order = logarithms.get(modulus % prime), len(logarithms)
        if residue is None or (residue - exponent) % gcd(period, order):
            return False
        exponent, period = _combine(exponent, period, residue, order)
    return True


def _combine(exponent: int, period: int, residue: int, order: int) -> tuple[int, int]:
    # Chinese remainder theorem for moduli with common factors; the caller has checked that a solution exists.
    shared = gcd(period, order)
    step = (residue - exponent) // shared * pow(period // shared, -1, order // shared) % (order // shared)
    return exponent + period * step, period * order // shared
