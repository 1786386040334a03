"""No assertion outside of `scripts/test --long` can be failed by a slow machine alone."""

from pathlib import Path
from textwrap import dedent

import pytest

from repository.timed_assertions import find_timed_assertions, scan

TESTS = Path(__file__).parents[1]


def test_no_test_but_a_long_one_has_a_timed_assertion() -> None:
    assert scan(TESTS) == []


TIMED = {
    "elapsed time": "assert time.monotonic() - began < 2",
    "elapsed time, the other way about": "assert 2 > time.monotonic() - began",
    "elapsed time within two bounds": "assert 0 <= time.monotonic() - began <= 2",
    "elapsed time, negated": "assert not time.monotonic() - began > 2",
    "elapsed time, among others": "assert done and time.monotonic() - began < 2",
    "processor time": "spent = time.process_time()\nassert time.process_time() - spent < 2",
    "a name": "seconds = time.perf_counter() - began\nassert seconds < 2",
    "a list": "waits.append(time.monotonic() - began)\nassert max(waits) < 2",
    "a loop over a list": "waits += [time.monotonic() - began]\nfor each in waits:\n    assert each < 2",
    "a comprehension": "waits = [time.monotonic() - began]\nassert all(each < 2 for each in waits)",
    "an attribute": "self.took = time.time() - began\nassert self.took < 2",
    "a moment that has passed": "assert time.monotonic() < began + 2",
    "a moment that was noted elsewhere": "assert came_at - began < 2",
    "an imported clock": "from time import monotonic as now\nassert now() - began < 2",
    "the clock of the product": "from keyturn.clock import uptime\nassert uptime() - began < 2",
    "a ratio": "one = time.monotonic() - began\nother = time.monotonic() - began\nassert one / other < 2",
    "a rate": "seconds = time.monotonic() - began\nassert uses / seconds > 1000",
}
UNTIMED = {
    "a lower bound": "assert time.monotonic() - began >= 2",
    "a loop that waits": "while not done():\n    assert time.monotonic() < began + 30",
    "a fake clock": "started = clock.now\nclock.now += 5\nassert clock.now - started < 9",
    "a claim of a token": "assert claims['exp'] - int(time.time()) <= 600",
    "what is left": "assert deadline - time.monotonic() > 0",
    "a number": "count = len(calls)\nassert count < 2",
    "a bound that holds at any speed": "# Holds at any speed: because\nassert time.monotonic() - began < 2",
}


def written(body: str, decorators: str = "") -> str:
    lines = "\n".join("    " + line for line in ("began = time.monotonic()\n" + body).splitlines())
    return f"import time\n{decorators}\ndef test_it(self):\n{lines}\n"


@pytest.mark.parametrize("name", TIMED)
def test_a_planted_bound_on_measured_time_is_found(name: str) -> None:
    assert len(find_timed_assertions(written(TIMED[name]))) == 1


@pytest.mark.parametrize("name", UNTIMED)
def test_assertions_independent_of_speed_are_not_found(name: str) -> None:
    assert find_timed_assertions(written(UNTIMED[name])) == []


def test_a_long_test_may_be_timed() -> None:
    body = TIMED["elapsed time"]
    assert find_timed_assertions(written(body, '@pytest.mark.long(stands_in="tests/test_x.py::test_y")')) == []
    marked = 'pytestmark = pytest.mark.long(stands_in="tests/test_x.py::test_y")\n'
    assert find_timed_assertions(marked + written(body)) == []


HELPED = """
    import time

    def seconds(work):
        began = time.monotonic()
        work()
        return time.monotonic() - began

    def quick(work):
        assert seconds(work) < 2

    {mark}
    def test_one():
        quick(print)
"""


def test_a_bound_in_a_helper_is_found_unless_every_caller_is_long() -> None:
    helped = dedent(HELPED)
    assert len(find_timed_assertions(helped.format(mark=""))) == 1
    assert find_timed_assertions(helped.format(mark="@pytest.mark.long(stands_in='x')")) == []
    other = "\ndef test_other():\n    quick(print)\n"
    assert len(find_timed_assertions(helped.format(mark="@pytest.mark.long(stands_in='x')") + other)) == 1
