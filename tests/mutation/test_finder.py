"""Code that is never mutated: texts, types, declarations, log calls."""

import pytest

from mutation.finder import find_mutants

NEVER = {
    "a docstring": '"""One, if 1 < 2, and True or not 3."""',
    "a text": 'x = "1 < 2"',
    "a formatted text": 'x = f"{a + 1} of {b or 2}"',
    "an annotation": 'x: Annotated[str, Meta(max_length=3)] = ""',
    "an argument's annotation": "def f(x: Literal[1, 2], *, y: Literal[True]) -> Literal[3]: ...",
    "a type alias": "Short = Annotated[str, Meta(max_length=256)]",
    "a cast": "x = cast(Literal[1], y)",
    "__all__": '__all__ = ("a" + "b", *x[1:])',
    "__slots__": "class C:\n  __slots__ = (x[1],)",
    "a block for the type checker": "if TYPE_CHECKING:\n  x = 1",
    "a decorator": "@dataclass(frozen=True)\nclass C:\n  ...",
    "the options of a class": "class C(Base, frozen=True): ...",
    "a protocol": "class P(Protocol):\n  x = 1",
    "an assertion": "assert x is not None and y > 1",
}


@pytest.mark.parametrize("kind", NEVER)
def test_code_that_does_not_run_and_texts_are_not_mutated(kind: str) -> None:
    assert find_mutants("keyturn/core/x.py", NEVER[kind].encode()) == []


def test_the_arguments_of_a_log_call_are_not_mutated_but_the_call_is() -> None:
    (mutant,) = find_mutants("keyturn/core/x.py", b'_logger.warning("failed %d times", n + 1, exc_info=True)')
    assert mutant.operator == "dropped call"


def test_the_text_of_an_error_is_not_mutated_but_its_raise_is() -> None:
    (mutant,) = find_mutants("keyturn/core/x.py", b'raise Refused(f"{n + 1} of 7")')
    assert mutant.operator == "dropped raise"


def test_a_default_is_mutated_and_so_is_code_beside_a_block_for_the_type_checker() -> None:
    source = b"if TYPE_CHECKING:\n  x = 1\nelse:\n  x = 2\ndef f(y: int = 4, *, z: int = 6): ...\n"
    assert {each.old for each in find_mutants("keyturn/core/x.py", source)} == {"2", "4", "6"}


def test_a_mutant_knows_the_function_around_it_and_its_line() -> None:
    source = b"class C:\n  def f(self):\n    return not x  # why\n"
    found = {each.operator: each for each in find_mutants("keyturn/core/x.py", source)}
    mutant = found["not"]
    assert (mutant.within, mutant.place, mutant.package) == ("C.f", "keyturn/core/x.py:3:12", "core")
    assert mutant.identity == ("keyturn/core/x.py", "C.f", "return not x  # why", "not x -> (x)", "0")


def test_mutants_that_look_alike_are_numbered() -> None:
    found = find_mutants("keyturn/core/x.py", b"x = a(1, 1)")
    assert sorted((each.new, each.occurrence) for each in found) == [("0", 0), ("0", 1), ("2", 0), ("2", 1)]
