"""The choice of mutants: by seed, in proportion, without the equivalent ones."""

from mutation.choice import LEAST, choose, share
from mutation.finder import find_mutants
from mutation.source import Mutant

LARGE = b"def f(x):\n" + b"".join(b"  x = x + a%d\n" % n for n in range(90))
SMALL = LARGE[:60]


def mutants() -> dict[str, list[Mutant]]:
    return {
        "core": find_mutants("keyturn/core/a.py", LARGE) + find_mutants("keyturn/core/b.py", LARGE),
        "web": find_mutants("keyturn/web/c.py", SMALL),
    }


def test_the_same_seed_gives_the_same_mutants_and_another_seed_gives_others() -> None:
    assert choose(mutants(), 1, 12) == choose(mutants(), 1, 12)
    assert choose(mutants(), 1, 12) != choose(mutants(), 2, 12)


def test_shares_are_proportional_and_none_is_below_the_least() -> None:
    assert share({"a": 700, "b": 300, "c": 1}, 10) == {"a": 6, "b": 3, "c": 1}
    assert share({"a": 1000, "b": 10, "c": 10}, 20) == {"a": 14, "b": LEAST, "c": LEAST}
    assert share({"a": 2, "b": 2}, 40) == {"a": 2, "b": 2}


def test_a_small_count_is_not_raised_to_the_minimum_of_every_package() -> None:
    assert share({"a": 1000, "b": 600, "c": 10}, 2) == {"a": 1, "b": 1, "c": 0}
    assert len(choose(mutants(), 1, 1)[0]) == 1


def test_an_edit_in_one_file_leaves_the_choice_in_another() -> None:
    def chosen_in_a(of_b: bytes) -> list[str]:
        found = find_mutants("keyturn/core/a.py", LARGE) + find_mutants("keyturn/core/b.py", of_b)
        return [each.line for each in choose({"core": found}, 1, len(found))[0] if each.path.endswith("a.py")]

    assert chosen_in_a(LARGE) == chosen_in_a(b"# a comment\n" + LARGE)


def test_one_site_is_chosen_once() -> None:
    found = {"core": find_mutants("keyturn/core/a.py", b"x = f(1, 2, 3)")}
    chosen, _ = choose(found, 1, 3)
    assert sorted(each.old for each in chosen) == ["1", "2", "3"]


def test_an_equivalent_mutant_is_passed_over_for_the_next() -> None:
    chosen, _ = choose(mutants(), 1, 12)
    first = chosen[0]
    others, passed = choose(mutants(), 1, 12, {first.identity})
    assert passed == [first]
    assert first not in others
    assert len(others) == 12
    assert len(set(others) - set(chosen)) == 1
