"""The mutation operators: which faults a piece of code is given, and that each is other, valid code."""

import ast

import pytest

from mutation.finder import find_mutants
from mutation.source import PACKAGES, SRC

CHANGES = {
    "a < b": ["(a <= b)"],
    "a >= b": ["(a > b)"],
    "a == b": ["(a != b)"],
    "a is None": ["(a is not None)"],
    "a not in b": ["(a in b)"],
    "a < b < c": ["(a < b <= c)", "(a <= b < c)"],
    "a and b": ["(a or b)"],
    "not (a or b)": ["(a or b)", "(a and b)"],
    "a + b": ["(a - b)"],
    "7": ["6", "8"],
    "0": ["(-1)", "1"],
    "True": ["False"],
    "x = min(a, b)": ["max(a, b)"],
    "a.min()": ["pass"],
    "await a()": ["pass"],
    "yield from a()": ["pass"],
    "a += b": ["a -= b"],
    "'text' + a": [],
    "(*a, b) + c": [],
    "a * b": [],
    "raise a": ["pass"],
    "return a": ["return None"],
    "return True": ["False"],
    "return None": [],
    "for a in b: break": ["continue"],
    "for a in b: continue": ["break"],
}


def mutated(code: str, path: str = "keyturn/core/x.py") -> list[str]:
    """Return the new code of every mutant of a function body."""
    source = f"async def f():\n  {code}\n".encode()
    return sorted(each.new for each in find_mutants(path, source))


@pytest.mark.parametrize("code", CHANGES)
def test_an_operator_gives_the_faults_of_its_kind(code: str) -> None:
    assert mutated(code) == sorted(CHANGES[code])


def test_a_status_code_of_a_web_endpoint_becomes_a_near_one() -> None:
    assert mutated("a = 200", "keyturn/web/x.py") == ["201"]
    assert mutated("a = 200", "keyturn/core/x.py") == ["199", "201"]
    assert mutated("a = 12", "keyturn/web/x.py") == ["11", "13"]


def test_a_replaced_operand_binds_as_the_old_one_did() -> None:
    source = b"x = a and not (b or c) and d"
    unbound = next(each for each in find_mutants("keyturn/core/x.py", source) if each.operator == "not")
    assert ast.unparse(ast.parse(unbound.apply(source))) == "x = a and (b or c) and d"


@pytest.mark.parametrize("path", [f"keyturn/{each}" for each in ("core/csrf.py", "tokens/jws.py", "flows/verify.py")])
def test_every_mutant_of_a_real_module_is_other_valid_code(path: str) -> None:
    source = (SRC / path).read_bytes()
    original = ast.dump(ast.parse(source))
    mutants = find_mutants(path, source)
    assert len(mutants) > 30
    for each in mutants:
        assert ast.dump(ast.parse(each.apply(source))) != original, each
    assert len({each.identity for each in mutants}) == len(mutants)


def test_a_mutant_is_not_applied_to_another_source() -> None:
    (mutant,) = find_mutants("keyturn/core/x.py", b"a < b\n")
    with pytest.raises(ValueError, match="has changed"):
        mutant.apply(b"b < a\n")


def test_non_ascii_text_before_a_mutant_does_not_move_it() -> None:
    source = 'x = ("é…", a < b)\n'.encode()
    (mutant,) = find_mutants("keyturn/core/x.py", source)
    assert mutant.apply(source).decode() == 'x = ("é…", (a <= b))\n'


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_sources_and_tests(package: str) -> None:
    assert list((SRC / "keyturn" / package).glob("*.py"))
    assert list((SRC.parent / "tests" / package).glob("test_*.py"))
