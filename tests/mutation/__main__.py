"""Plant small faults in copies of the sources, and see whether the tests of their own package catch them."""

import argparse
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime

from mutation.choice import LEAST, choose
from mutation.equivalents import Equivalent, read_equivalents
from mutation.finder import all_mutants
from mutation.processes import end_all
from mutation.report import Run, document, progress, table
from mutation.source import PACKAGES, Mutant
from mutation.trial import PASSED, Result, Trial, trial
from services.run import run_folder

SHARES = f"by package in proportion to its places for one, from {LEAST} mutants a package on at least {LEAST} in each"
SHOWN_LINES = 20
"""How much of what pytest said of the unmutated copy is shown when it failed."""


def main() -> int:
    options = _arguments()
    signal.signal(signal.SIGTERM, _stop)
    run_folder()  # with a watcher: however this process ends, nothing of it is left
    chosen, passed = _choose(options)
    _say(f"seed {options.seed}: {len(chosen)} mutants, {len(passed)} equivalents passed over")
    if options.list:
        print("\n".join(f"{each.place} {each.change}" for each in chosen))
        return 0
    results = _try(options, chosen)
    if not results:
        return 2
    run = Run(options.seed, results, passed)
    print(document(run) if options.json else table(run))
    return 1 if run.survivors else 0


def _choose(options: argparse.Namespace) -> tuple[list[Mutant], list[tuple[Mutant, Equivalent]]]:
    known = {each.identity: each for each in read_equivalents()}
    mutants = all_mutants(tuple(options.package))
    if options.site:
        return [each for several in mutants.values() for each in several if _stands_at(each, options.site)], []
    chosen, passed = choose(mutants, options.seed, options.count, known)
    return chosen, [(each, known[each.identity]) for each in passed]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    today = int(datetime.now(UTC).strftime("%Y%m%d"))
    parser.add_argument("--seed", type=int, default=today, help="choice of the mutants [default: today, %(default)s]")
    parser.add_argument("--count", type=int, default=40, help=f"mutants to try [default: %(default)s]; {SHARES}")
    parser.add_argument("--package", nargs="+", choices=PACKAGES, default=PACKAGES, help="[default: all of these]")
    parser.add_argument(
        "--site", metavar="FILE:LINE[:COLUMN]", nargs="+", help="instead of a choice: every mutant there"
    )
    parser.add_argument("--workers", type=int, default=2, help="mutants tried at a time [default: %(default)s]")
    parser.add_argument("--no-check", action="store_true", help="skip the tests of the unmutated copy")
    parser.add_argument("--list", action="store_true", help="only print the chosen mutants")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _stands_at(mutant: Mutant, sites: list[str]) -> bool:
    return any(f"{mutant.place}:".startswith(f"{each}:") for each in sites)


def _try(options: argparse.Namespace, chosen: list[Mutant]) -> list[Result]:
    with trial(options.seed) as attempt:
        if options.no_check or _check(attempt, chosen, options.workers):
            return _try_all(attempt, chosen, options.workers)
    return []


def _check(attempt: Trial, chosen: list[Mutant], workers: int) -> bool:
    packages = sorted({each.package for each in chosen}, key=["stores", "verifier", *PACKAGES].index)  # longest first
    _say("first the tests of the unmutated copy")
    with _pool(workers) as pool:
        checks = list(pool.map(lambda package: _check_package(attempt, package), packages))
    if not all(checks):
        _say("no mutant was tried; run scripts/test TEST, or --no-check")
    return all(checks)


def _check_package(attempt: Trial, package: str) -> bool:
    result = attempt.check(package)
    _say(f"unmutated {package}: {result.verdict} in {result.seconds:.0f} s {result.by}".rstrip())
    if result.verdict != PASSED:
        _say("\n".join(result.output.splitlines()[-SHOWN_LINES:]))
    return result.verdict == PASSED


def _try_all(attempt: Trial, chosen: list[Mutant], workers: int) -> list[Result]:
    results: dict[Mutant, Result] = {}
    with _pool(workers) as pool:
        running = [pool.submit(attempt.try_mutant, each) for each in sorted(chosen, key=_longest_first)]
        for number, each in enumerate(as_completed(running), 1):
            result = each.result()
            results[result.mutant] = result
            _say(progress(number, len(chosen), result))
    return [results[each] for each in chosen]


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Run trials in threads; nothing of them goes on after an interrupt."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise


def _longest_first(mutant: Mutant) -> tuple[bool, str]:
    return mutant.package != "stores", mutant.path


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
