"""Issuer and AsyncIssuer: the API for Python programs. Both have the same methods; each runs one flow."""

import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import update_wrapper
from typing import Concatenate, ParamSpec, Self, TypeVar

from keyturn import flows
from keyturn.clock import boottime
from keyturn.config.background import BackgroundTasks, load_first_keys
from keyturn.config.components import Clock, Components, build_components
from keyturn.config.data_dir import complete_settings
from keyturn.config.settings import Settings, read_settings
from keyturn.core.policy import Deliver
from keyturn.core.principal import Principal
from keyturn.core.session import ClientInfo
from keyturn.core.types import SessionId, Subject, require_name, require_type
from keyturn.errors import ConfigurationError
from keyturn.flows import Flow, IssuedCredentials, LoginAttempt, RevocationReceipt, SessionSummary, drive, drive_async
from keyturn.flows.revoke import LOGOUT
from keyturn.ports import Ports

P = ParamSpec("P")
T = TypeVar("T")
Text = Mapping[str, object]
DEFAULT_ISSUER = "http://127.0.0.1:8000"
"""Default issuer URL: the default address of ``keyturn serve``, which therefore accepts the same tokens."""

_logger = logging.getLogger("keyturn")


def _attempt(
    identifier: str,
    password: str,
    deliver: Deliver | None,
    client: ClientInfo | None,
    device: str | None,
    scope: str,
    claims: Text | None,
) -> LoginAttempt:
    chosen = ClientInfo() if client is None else client
    require_type(str, identifier=identifier, password=password, device=device or "", scope=scope)
    require_type(ClientInfo, client=chosen)
    require_type(str, label=chosen.label, address=chosen.address)
    require_name(client_id=chosen.client_id)
    require_type(Mapping, claims=claims or {})
    return LoginAttempt(identifier, password, deliver, chosen, device, scope, claims or {})


def _signup(
    parts: Components,
    identifier: str,
    password: str,
    *,
    deliver: Deliver | None = None,
    client: ClientInfo | None = None,
    scope: str = "",
    claims: Text | None = None,
) -> Flow[IssuedCredentials]:
    """Create an account and log in.

    ``scope`` and ``claims`` are copied into access tokens unchanged. Raises ``PasswordRejected``, ``AccountExists``,
    ``Throttled``, ``Overloaded``, ``CredentialsNotOffered``, ``PayloadRefused``, ``BadRequest``.
    """
    attempt = _attempt(identifier, password, deliver, client, None, scope, claims)
    return flows.signup(attempt, parts.now(), parts.config)


def _login(
    parts: Components,
    identifier: str,
    password: str,
    *,
    deliver: Deliver | None = None,
    client: ClientInfo | None = None,
    device: str | None = None,
    scope: str = "",
    claims: Text | None = None,
) -> Flow[IssuedCredentials]:
    """Authenticate and create a session. ``device``: value of the device cookie, if the client sent one.

    Raises ``LoginFailed``, ``Throttled``, ``Overloaded``, ``CredentialsNotOffered``, ``PayloadRefused``.
    """
    attempt = _attempt(identifier, password, deliver, client, device, scope, claims)
    return flows.login(attempt, parts.now(), parts.config)


def _verify(parts: Components, token: str) -> Flow[Principal]:
    """Verify a session token or an access token; return its principal.

    Raises ``TokenMalformed``, ``TokenInvalid``, ``TokenExpired``, ``TokenRevoked``, ``SessionEnded``; and
    ``RevocationUnknown`` when the feed is stale and the store is unavailable.
    """
    require_type(str, token=token)
    verify = flows.verify_session if token.startswith("kt_") else flows.verify_access
    return verify(token, parts.now(), parts.config)


def _refresh(parts: Components, token: str, *, deliver: Deliver = "tokens") -> Flow[IssuedCredentials]:
    """Rotate a refresh token.

    Raises ``TokenReused`` (and ends the session), ``TokenRevoked``, ``SessionEnded``, ``TokenInvalid``,
    ``TokenMalformed``, ``CounterAhead``, ``CredentialsNotOffered``.
    """
    require_type(str, token=token)
    return flows.refresh(token, parts.config.resolve_delivery(deliver), parts.now(), parts.config)


def _step_up(
    parts: Components, sid: SessionId, password: str, *, deliver: Deliver | None = None
) -> Flow[IssuedCredentials]:
    """Confirm the password in a session (RFC 9470). Raises ``LoginFailed``, ``Throttled``, ``TokenRevoked``."""
    require_type(str, sid=sid, password=password)
    return flows.confirm_password(sid, password, deliver, parts.now(), parts.config)


def _change_password(
    parts: Components, sid: SessionId, current: str, new: str, *, deliver: Deliver | None = None
) -> Flow[IssuedCredentials]:
    """Replace the password and end the subject's other sessions. Raises ``LoginFailed``, ``PasswordRejected``."""
    require_type(str, sid=sid, current=current, new=new)
    return flows.change_password(sid, current, new, deliver, parts.now(), parts.config)


def _logout(parts: Components, sid: SessionId) -> Flow[RevocationReceipt]:
    """End one session and revoke its tokens. Raises ``NotFound``."""
    require_type(str, sid=sid)
    return flows.revoke_session(sid, LOGOUT, parts.now(), parts.config)


def _revoke_subject(parts: Components, subject: Subject) -> Flow[RevocationReceipt]:
    """End every session of a subject."""
    require_name(subject=subject)
    return flows.revoke_subject(subject, parts.now(), parts.config)


def _revoke_client(parts: Components, client_id: str) -> Flow[RevocationReceipt]:
    """End every session of a client."""
    require_name(client_id=client_id)
    return flows.revoke_client(client_id, parts.now(), parts.config)


def _revoke_everything(parts: Components) -> Flow[RevocationReceipt]:
    """End every session of every subject."""
    return flows.revoke_everything(parts.now(), parts.config)


def _introspect(parts: Components, token: str) -> Flow[dict[str, object]]:
    """Introspect a credential of any kind in the store (RFC 7662). Raises ``StoreUnavailable``."""
    require_type(str, token=token)
    return flows.introspect(token, parts.now(), parts.config)


def _sessions(parts: Components, subject: Subject) -> Flow[list[SessionSummary]]:
    """List the live sessions of a subject, newest first."""
    require_name(subject=subject)
    return flows.list_sessions(subject, parts.now(), parts.config)


def _set_disabled(parts: Components, subject: Subject, disabled: bool) -> Flow[RevocationReceipt]:
    """Disable or enable an account and end its sessions. Raises ``NotFound``."""
    require_name(subject=subject)
    require_type(bool, disabled=disabled)
    return flows.set_disabled(subject, disabled, parts.now(), parts.config)


class _BaseIssuer:
    """Common part of both issuers: the components and their background tasks."""

    _is_async: bool

    def __init__(self, parts: Components) -> None:
        self.parts = parts
        self.process: int | None = os.getpid()
        self._upkeep: BackgroundTasks | None = None

    @classmethod
    def open(
        cls, settings: Settings, *, clock: Clock = time.time, monotonic: Clock = boottime, background: bool = True
    ) -> Self:
        """Open an issuer with complete settings. Raises ``ConfigurationError``, ``StoreUnavailable``.

        ``background``: follow the feed and roll keys in threads. Without them every check queries the store, and keys
        roll only when an issuer is opened.
        """
        parts = build_components(settings, is_async=cls._is_async, clock=clock, monotonic=monotonic)
        issuer = cls(parts)
        drive(load_first_keys(parts), parts.sync_ports)
        if background:
            issuer._upkeep = BackgroundTasks(parts)
            issuer._upkeep.start()
        return issuer

    @classmethod
    def from_env(
        cls, *, clock: Clock = time.time, monotonic: Clock = boottime, background: bool = True, **explicit: object
    ) -> Self:
        """Open an issuer from ``KEYTURN_...`` variables, ``keyturn.toml`` and ``explicit`` settings (see ``Settings``).

        A missing secret, service token or SQLite store is created in the data directory, with a warning in the log,
        unless the environment is ``production``. Raises ``ConfigurationError``, ``StoreUnavailable``.
        """
        made = complete_settings(read_settings(None, **explicit), DEFAULT_ISSUER)
        for line in made.lines:
            _logger.warning("%s", line)
        return cls.open(made.settings, clock=clock, monotonic=monotonic, background=background)

    def _release(self) -> None:
        self.process = None
        if self._upkeep is not None:
            self._upkeep.close()
            self._upkeep = None
        self.parts.hasher.close()


def _usable_ports(door: _BaseIssuer) -> Ports:
    # Neither threads nor open SQLite files survive a fork (sqlite.org/howtocorrupt.html, section 2.6).
    if door.process != os.getpid():
        raise ConfigurationError("this issuer is closed, or was opened before a fork; open one in each process")
    return door.parts.ports


def _sync_method(use: Callable[Concatenate[Components, P], Flow[T]]) -> Callable[Concatenate["Issuer", P], T]:
    def method(self: "Issuer", /, *arguments: P.args, **named: P.kwargs) -> T:
        return drive(use(self.parts, *arguments, **named), _usable_ports(self))

    update_wrapper(method, use)
    return method


def _async_method(
    use: Callable[Concatenate[Components, P], Flow[T]],
) -> Callable[Concatenate["AsyncIssuer", P], Awaitable[T]]:
    def method(self: "AsyncIssuer", /, *arguments: P.args, **named: P.kwargs) -> Awaitable[T]:
        return drive_async(use(self.parts, *arguments, **named), _usable_ports(self))

    update_wrapper(method, use)
    return method


class Issuer(_BaseIssuer):
    """Issuer for synchronous programs: Flask, Django, scripts. Use it as a context manager, or call ``close``."""

    _is_async = False

    def close(self) -> None:
        """Stop the background tasks, wait for running hashes, close the store."""
        self._release()
        if self.parts.redis_cache is not None:
            self.parts.redis_cache.cache.close()
        self.parts.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    signup = _sync_method(_signup)
    login = _sync_method(_login)
    verify = _sync_method(_verify)
    refresh = _sync_method(_refresh)
    step_up = _sync_method(_step_up)
    change_password = _sync_method(_change_password)
    logout = _sync_method(_logout)
    revoke_subject = _sync_method(_revoke_subject)
    revoke_client = _sync_method(_revoke_client)
    revoke_everything = _sync_method(_revoke_everything)
    introspect = _sync_method(_introspect)
    sessions = _sync_method(_sessions)
    set_disabled = _sync_method(_set_disabled)


class AsyncIssuer(_BaseIssuer):
    """Issuer for programs with an event loop; every method is awaited. Use it as an async context manager."""

    _is_async = True

    async def close(self) -> None:
        """Stop the background tasks, wait for running hashes, close the store."""
        self._release()
        if self.parts.redis_cache is not None:
            await self.parts.redis_cache.cache.close()
        await self.parts.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    signup = _async_method(_signup)
    login = _async_method(_login)
    verify = _async_method(_verify)
    refresh = _async_method(_refresh)
    step_up = _async_method(_step_up)
    change_password = _async_method(_change_password)
    logout = _async_method(_logout)
    revoke_subject = _async_method(_revoke_subject)
    revoke_client = _async_method(_revoke_client)
    revoke_everything = _async_method(_revoke_everything)
    introspect = _async_method(_introspect)
    sessions = _async_method(_sessions)
    set_disabled = _async_method(_set_disabled)
