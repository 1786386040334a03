"""Throttle bypass by address rotation: one IPv6 subscriber holds 2**64 addresses, one IPv4 host many spellings.

Sources: RFC 6177 (a site gets at least a /64), RFC 4291 section 2.5.5.2 (mapped addresses), RFC 3056 (6to4), CWE-307.
"""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.throttle import Bucket, Rate, address_key, try_reserve
from keyturn.core.types import Instant

NOW = Instant(1_700_000_000)


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**64 - 1), min_size=30, max_size=30, unique=True))
def test_rotating_within_a_64_buys_no_attempt(network: int, hosts: list[int]) -> None:
    rate, buckets, passed = Rate(10, 900), dict[str, Bucket](), 0
    # Documentation prefix: none of the transition mechanisms, which have rules of their own.
    base = 0x20010DB8 << 96 | (network & (2**32 - 1)) << 64
    for host in hosts:
        key = address_key(str(IPv6Address(base | host)))
        admission = try_reserve(key, buckets.get(key), NOW, rate)
        buckets[key] = admission.bucket
        passed += admission.allowed
    assert len(buckets) == 1
    assert passed == rate.burst


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**80 - 1))
def test_an_ipv4_host_keeps_its_key_behind_ipv6_spellings(number: int, tail: int) -> None:
    address = IPv4Address(number)
    spellings = {
        str(address),
        f"::ffff:{address}",
        str(IPv6Address(0xFFFF << 32 | number)),
        IPv6Address(0xFFFF << 32 | number).exploded,
        str(IPv6Address(0x2002 << 112 | number << 80 | tail)),
    }
    assert {address_key(each) for each in spellings} == {f"address:{address}"}


@given(st.text())
def test_garbled_addresses_share_the_bucket_unknown(text: str) -> None:
    key = address_key(text)
    assert key == "address:unknown" or text.strip()[0] in "0123456789abcdefABCDEF:"
