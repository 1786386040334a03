"""CPU that authentication adds to a request of a web framework, beside the usual choice of that framework.

Each framework is measured in a process of its own, because Django has one set of settings in a process. An application
has one route; that of Keyturn has the endpoints of the issuer, too.
"""

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeAlias

from bench import asgi_frameworks, wsgi_frameworks
from bench.figures import Figure, Goal
from bench.fixtures import settings
from bench.framework_sides import (
    COOKIE,
    EMPTY,
    TOKEN,
    Applications,
    Credentials,
    asgi_side,
    count_calls,
    make_sides,
    wsgi_side,
)
from bench.requests import CHAPTER as REQUESTS
from bench.sampling import Plan, Series, Side, alternate, pin_to_core, subtract_bare
from bench.tokens import KEYTURN
from keyturn import AsyncIssuer, Issuer
from keyturn.flows import IssuedCredentials

CHAPTER = f"{REQUESTS}, by framework"
ALONE = "no framework"
PASSWORD = "violet umbrella 7 o clock"
GOAL, ISSUER_GOAL = 5.0, 15.0
"""Microseconds over the bare route; and for a token over a bare ASGI application with an issuer."""

_NO_PEERS = (COOKIE, TOKEN, EMPTY, "bare route", "bare application")

AsgiBuilder = Callable[[AsyncIssuer], Applications]
WsgiBuilder = Callable[[Issuer, Path], Applications]

ASGI: dict[str, AsgiBuilder] = {
    ALONE: asgi_frameworks.middleware_applications,
    "Starlette": asgi_frameworks.starlette_applications,
    "FastAPI": asgi_frameworks.fastapi_applications,
    "Litestar": asgi_frameworks.litestar_applications,
}
WSGI: dict[str, WsgiBuilder] = {
    "Flask": wsgi_frameworks.flask_applications,
    "Django": wsgi_frameworks.django_applications,
}


def steps(_plan: Plan) -> int:
    """Return the number of ticks of one run."""
    return len((*ASGI, *WSGI))


def measure(plan: Plan) -> list[Figure]:
    """Measure one framework after the other."""
    figures: list[Figure] = []
    for name in (*ASGI, *WSGI):
        # A fresh interpreter, without what another chapter has imported and configured.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            series, calls = pool.submit(measure_framework, name, plan.rounds, plan.sample_seconds).result()
        figures += _figures(name, {each.name: each for each in series}, calls)
        plan.tick()
    return figures


Measured: TypeAlias = tuple[list[Series], dict[str, float]]
"""Microseconds of each side, and its calls of Python functions, both per request."""


def measure_framework(name: str, rounds: int, sample_seconds: float) -> Measured:
    """Measure every application of one framework."""
    plan = Plan(rounds, sample_seconds)
    return _measure_asgi(ASGI[name], plan) if name in ASGI else _measure_wsgi(WSGI[name], plan)


def _measure_asgi(build: AsgiBuilder, plan: Plan) -> Measured:
    loop = asyncio.new_event_loop()
    issuer = AsyncIssuer.open(settings())
    try:
        issued = loop.run_until_complete(issuer.signup("ada@example.com", PASSWORD, deliver="both"))
        return _measure(make_sides(build(issuer), _credentials(issuer, issued), asgi_side(loop)), plan)
    finally:
        loop.run_until_complete(issuer.close())
        loop.close()


def _measure_wsgi(build: WsgiBuilder, plan: Plan) -> Measured:
    with tempfile.TemporaryDirectory(prefix="keyturn-bench-") as folder, Issuer.open(settings()) as issuer:
        issued = issuer.signup("ada@example.com", PASSWORD, deliver="both")
        return _measure(make_sides(build(issuer, Path(folder)), _credentials(issuer, issued), wsgi_side), plan)


def _measure(sides: list[Side], plan: Plan) -> Measured:
    with pin_to_core():
        return alternate(sides, plan), {each.name: count_calls(each) for each in sides}


def _credentials(issuer: AsyncIssuer | Issuer, issued: IssuedCredentials) -> Credentials:
    """Return the credentials of a login, once the issuer follows its revocation feed: nothing is cached before."""
    while not issuer.parts.session_cache.is_fresh:
        time.sleep(0.01)
    assert issued.session_token is not None
    assert issued.access_token is not None
    name = issuer.config.profile.cookie.name("session")
    cookie = f"theme=dark; {name}={issued.session_token.reveal()}"
    return Credentials(cookie, f"Bearer {issued.access_token.reveal()}")


def _figures(framework: str, found: dict[str, Series], calls: dict[str, float]) -> list[Figure]:
    """Return the figures of the cookie and the token of Keyturn. The first of ``found`` is subtracted from each."""
    baseline, others = next(iter(found.values())), [each for each in found.values() if each.name not in _NO_PEERS]
    figures = []
    for credential, name in (("session cookie", COOKIE), ("access token", TOKEN)):
        added = [subtract_bare(each, baseline) for each in (found[name], *others)]
        added[0].name = KEYTURN
        figure = Figure(CHAPTER, f"{framework}, {credential} seen before", "µs", added)
        figure.note = f"over {baseline.name}, {baseline.middle:.1f} µs"
        limit = ISSUER_GOAL if framework == ALONE and name == TOKEN else GOAL
        figure.goals = [Goal(f"at most {limit:.0f} µs over {baseline.name}", added[0].middle, limit)]
        figure.goals[0].why = f"{calls[name] - calls[baseline.name]:.0f} more calls of Python functions per request"
        if EMPTY in found and baseline.name != EMPTY:
            above = subtract_bare(found[name], found[EMPTY]).middle
            empty = subtract_bare(found[EMPTY], baseline).middle
            figure.goals[0].why += f"; {framework} itself takes {empty:.1f} µs for {EMPTY}"
            figure.goals.append(Goal(f"at most {GOAL:.0f} µs over {EMPTY}", above, GOAL))
        figures.append(figure)
    return figures
