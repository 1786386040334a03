"""Choose mutants from a seed: the same seed and sources, the same mutants."""

import hashlib
from collections.abc import Collection, Mapping, Sequence

from mutation.source import Mutant

LEAST = 3
"""Each package gets this many mutants, if it has them, and if there are as many for every package."""


def choose(
    mutants: Mapping[str, Sequence[Mutant]], seed: int, count: int, equivalents: Collection[tuple[str, ...]] = ()
) -> tuple[list[Mutant], list[Mutant]]:
    """Return ``count`` mutants to try, and the equivalent ones that were drawn beside them.

    Each package gets a share in proportion to its mutable sites, at least ``LEAST``. Equivalent mutants do not count.
    """
    shares = share({package: len(_sites(each)) for package, each in mutants.items()}, count)
    chosen: list[Mutant] = []
    passed: list[Mutant] = []
    for package, share_of_package in shares.items():
        sites: set[tuple[str, int]] = set()
        for each in sorted(mutants[package], key=lambda mutant: _rank(mutant, seed)):
            if len(sites) == share_of_package:
                break
            if each.identity in equivalents:
                passed.append(each)
            elif (each.path, each.start) not in sites:
                sites.add((each.path, each.start))
                chosen.append(each)
    return chosen, passed


def share(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """Divide ``count`` in proportion to ``sizes``; none is above its size, or below ``LEAST`` if that can be."""
    total = sum(sizes.values())
    least = LEAST if LEAST * len(sizes) <= count else 0
    shares = {name: min(least, size) for name, size in sizes.items()}
    while sum(shares.values()) < min(count, total):
        below = {name: count * size / total - shares[name] for name, size in sizes.items() if shares[name] < size}
        shares[max(below, key=below.__getitem__)] += 1
    return shares


def _sites(mutants: Sequence[Mutant]) -> set[tuple[str, int]]:
    return {(each.path, each.start) for each in mutants}


def _rank(mutant: Mutant, seed: int) -> bytes:
    # A digest instead of a shuffle: an edit in one file leaves the choice in every other file as it was.
    return hashlib.sha256("\0".join((str(seed), *mutant.identity)).encode()).digest()
