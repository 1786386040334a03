"""Put the accounts of an application behind the ports that flows use."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, TypeVar

from keyturn.accounts.calls import AsyncCalls, Operation, run_step
from keyturn.accounts.mark import Digests
from keyturn.accounts.session_cache import CheckedAccounts
from keyturn.accounts.sessions import OwnSessionStore
from keyturn.accounts.store import OwnAccountStore, Present
from keyturn.core.account import normalise_identifier
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.revocation import Revocation
from keyturn.core.types import Subject
from keyturn.errors import ConfigurationError, InvalidMember, Refusal
from keyturn.generators import run, run_async
from keyturn.ports import AccountStore, SessionStore, StorePorts, methods_of
from keyturn.stores.proxy import make_proxy

_Result = TypeVar("_Result")
_REQUIRED = ("find", "load", "set_password")
_OPTIONAL = ("create", "user", "password_hashes")


@dataclass(frozen=True, slots=True)
class OwnPorts:
    """Ports over the accounts of an application.

    ``load_user``: returns the application's object of a subject, or None. ``check``: compares an account that may have
    been changed. ``announce_upgrade``: of a subject, and of the hash that the application is about to store.
    ``close``: ends the threads.
    """

    accounts: Any
    sessions: Any
    load_user: Callable[[Subject], Any]
    check: Callable[[Subject], Any]
    announce_upgrade: Callable[[Subject, str], Any]
    close: Callable[[], None]


def check_accounts(accounts: Any, *, is_async: bool) -> Any:
    """Return the object whose methods are called; an instance of it if ``accounts`` is a class.

    Raises ``ConfigurationError`` for a missing method, and for coroutine functions with a synchronous issuer.
    """
    own = accounts() if isinstance(accounts, type) else accounts
    missing = [each for each in _REQUIRED if not callable(getattr(own, each, None))]
    if missing:
        raise ConfigurationError(f"accounts: {type(own).__name__} has no method {' and no '.join(missing)}")
    methods = [getattr(own, each, None) for each in (*_REQUIRED, *_OPTIONAL)]
    if not is_async and any(map(inspect.iscoroutinefunction, methods)):
        raise ConfigurationError(f"accounts: {type(own).__name__} has coroutine functions; use AsyncIssuer")
    return own


def configure_accounts(config: IssuerConfig, own: Any) -> IssuerConfig:
    """Return the configuration of an issuer over the accounts of an application."""
    normalise = getattr(own, "normalise", None)
    return replace(
        config,
        has_own_accounts=True,
        normalise_identifier=normalise_identifier if normalise is None else _checked_normalise(normalise),
    )


def sample_hashes(own: Any, limit: int) -> Sequence[str]:
    """Return a sample of the stored hashes; none from a coroutine function, which runs on the application's loop."""
    sample = getattr(own, "password_hashes", None)
    if sample is None or inspect.iscoroutinefunction(sample):
        return ()
    with suppress(Exception):  # the sample only decides what an unknown account costs
        return [each for each in sample(limit) if isinstance(each, str)][:limit]
    return ()


def open_accounts(
    own: Any,
    store: StorePorts,
    digests: Digests,
    checked: CheckedAccounts,
    apply_local: Callable[[Revocation], None],
    present: Present,
    *,
    is_async: bool,
) -> OwnPorts:
    """Build the ports over ``own`` and ``store``, which is asynchronous if ``is_async``."""
    accounts = OwnAccountStore(own, store.accounts, digests, checked, apply_local, present)
    sessions = OwnSessionStore(store.sessions, accounts)
    calls = AsyncCalls()

    def bind(method: Callable[..., Operation[_Result]]) -> Callable[..., Any]:
        if is_async:
            return lambda *arguments: run_async(method(*arguments), calls.run_step)
        return lambda *arguments: run(method(*arguments), run_step)

    others = {each: getattr(store.sessions, each) for each in methods_of(SessionStore)}
    return OwnPorts(
        make_proxy(AccountStore, accounts, bind),
        SimpleNamespace(**{**others, "load": bind(sessions.load)}),
        bind(accounts.load_user),
        bind(accounts.check),
        bind(accounts.announce_upgrade),
        calls.close,
    )


def _checked_normalise(normalise: Callable[[str], str]) -> Callable[[str], str]:
    def call(text: str) -> str:
        try:
            identifier = normalise(text)
        except Refusal:
            raise
        except Exception as error:
            raise InvalidMember("email", "an identifier of this service") from error
        if not isinstance(identifier, str) or not identifier:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidMember("email", "an identifier of this service")
        return identifier

    return call
