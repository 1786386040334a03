"""Issuer and AsyncIssuer: the doors for Python programs. Each method drives one flow; both doors share its signature."""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Concatenate, ParamSpec, Self, TypeVar

from keyturn import flows
from keyturn.compose.home import furnish
from keyturn.compose.parts import Clock, Parts, build_parts
from keyturn.compose.settings import Settings, read_settings
from keyturn.core.instant import SessionId, Subject
from keyturn.core.policy import Deliver
from keyturn.core.principal import Principal
from keyturn.core.session import Client
from keyturn.flows import Attempt, Device, Flow, Issued, Revoked, drive, drive_async

P = ParamSpec("P")
T = TypeVar("T")

Text = Mapping[str, object]
DEFAULT_ISSUER = "http://localhost:8000"


def _attempt(
    identifier: str,
    password: str,
    deliver: Deliver | None,
    client: Client | None,
    device: str | None,
    scope: str,
    claims: Text | None,
) -> Attempt:
    return Attempt(identifier, password, deliver, client or Client(), device, scope, claims or {})


def _signup(
    parts: Parts,
    identifier: str,
    password: str,
    *,
    deliver: Deliver | None = None,
    client: Client | None = None,
    scope: str = "",
    claims: Text | None = None,
) -> Flow[Issued]:
    """Create an account and log it in.

    ``scope`` and ``claims`` go into access tokens as they are. Raises ``PasswordRejected``, ``AccountExists``,
    ``Throttled``, ``Overloaded``, ``CredentialsNotOffered``, ``PayloadRefused``, ``BadRequest``.
    """
    attempt = _attempt(identifier, password, deliver, client, None, scope, claims)
    return flows.signup(attempt, parts.now(), parts.realm)


def _login(
    parts: Parts,
    identifier: str,
    password: str,
    *,
    deliver: Deliver | None = None,
    client: Client | None = None,
    device: str | None = None,
    scope: str = "",
    claims: Text | None = None,
) -> Flow[Issued]:
    """Authenticate and open a session. ``device``: the value of the device cookie, if the client sent one.

    Raises ``LoginFailed``, ``Throttled``, ``Overloaded``, ``CredentialsNotOffered``, ``PayloadRefused``.
    """
    attempt = _attempt(identifier, password, deliver, client, device, scope, claims)
    return flows.login(attempt, parts.now(), parts.realm)


def _verify(parts: Parts, token: str) -> Flow[Principal]:
    """Who holds this session token or access token.

    Raises ``TokenMalformed``, ``TokenInvalid``, ``TokenExpired``, ``TokenRevoked``, ``SessionEnded``;
    ``RevocationUnknown`` when neither the feed nor the store can tell.
    """
    verify = flows.verify_session if token.startswith("kt_") else flows.verify_access
    return verify(token, parts.now(), parts.realm)


def _refresh(parts: Parts, token: str, *, deliver: Deliver = "tokens") -> Flow[Issued]:
    """Rotate a refresh token. Raises ``TokenReused`` (and ends the session), ``TokenRevoked``, ``SessionEnded``,
    ``TokenInvalid``, ``TokenMalformed``, ``CounterAhead``."""
    return flows.refresh(token, deliver, parts.now(), parts.realm)


def _step_up(parts: Parts, sid: SessionId, password: str, *, deliver: Deliver | None = None) -> Flow[Issued]:
    """Confirm the password within a session (RFC 9470). Raises ``LoginFailed``, ``Throttled``, ``TokenRevoked``."""
    return flows.confirm_password(sid, password, deliver, parts.now(), parts.realm)


def _change_password(
    parts: Parts, sid: SessionId, current: str, new: str, *, deliver: Deliver | None = None
) -> Flow[Issued]:
    """Replace the password and end the subject's other sessions. Raises ``LoginFailed``, ``PasswordRejected``."""
    return flows.change_password(sid, current, new, deliver, parts.now(), parts.realm)


def _logout(parts: Parts, sid: SessionId) -> Flow[Revoked]:
    """End one session, every copy of it. Raises ``NotFound``."""
    return flows.revoke_session(sid, "logout", parts.now(), parts.realm)


def _revoke_subject(parts: Parts, subject: Subject) -> Flow[Revoked]:
    """End every session of a subject."""
    return flows.revoke_subject(subject, parts.now(), parts.realm)


def _revoke_client(parts: Parts, client_id: str) -> Flow[Revoked]:
    """End every session of a client."""
    return flows.revoke_client(client_id, parts.now(), parts.realm)


def _revoke_everything(parts: Parts) -> Flow[Revoked]:
    """End every session there is."""
    return flows.revoke_everything(parts.now(), parts.realm)


def _introspect(parts: Parts, token: str) -> Flow[dict[str, object]]:
    """What the store says of any credential (RFC 7662). Raises ``StoreUnavailable``."""
    return flows.introspect(token, parts.now(), parts.realm)


def _sessions(parts: Parts, subject: Subject) -> Flow[list[Device]]:
    """The live sessions of a subject, newest first."""
    return flows.list_sessions(subject, parts.now(), parts.realm)


def _set_disabled(parts: Parts, subject: Subject, disabled: bool) -> Flow[Revoked]:
    """Disable or enable an account; its sessions end. Raises ``NotFound``."""
    return flows.set_disabled(subject, disabled, parts.now(), parts.realm)


class _Door:
    """What both doors have: the parts behind them."""

    _awaited: bool

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @classmethod
    def open(
        cls, settings: Settings, *, clock: Clock = time.time, monotonic: Clock = time.monotonic, **_: object
    ) -> Self:
        """An issuer from settings. Raises ``ConfigurationError``, ``StoreUnavailable``."""
        return cls(build_parts(settings, awaited=cls._awaited, clock=clock, monotonic=monotonic))

    @classmethod
    def from_env(cls, *, clock: Clock = time.time, monotonic: Clock = time.monotonic, **explicit: object) -> Self:
        """An issuer from ``KEYTURN_...`` variables, ``keyturn.toml`` and ``explicit`` settings.

        What is missing is made in the data folder, unless the profile is ``production``.
        Raises ``ConfigurationError``, ``StoreUnavailable``.
        """
        made = furnish(read_settings(**explicit), DEFAULT_ISSUER)
        return cls.open(made.settings, clock=clock, monotonic=monotonic)
