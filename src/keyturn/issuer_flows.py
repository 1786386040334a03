"""Methods of an issuer as flows, which ``Issuer`` and ``AsyncIssuer`` run."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from keyturn import flows
from keyturn.config.components import Components
from keyturn.core.account import Account
from keyturn.core.audience import read_names
from keyturn.core.policy import Deliver
from keyturn.core.principal import Principal
from keyturn.core.session import ClientInfo
from keyturn.core.types import SessionId, Subject, require_name, require_type
from keyturn.flows import AccountSummary, Flow, IssuedCredentials, LoginAttempt, RevocationReceipt, SessionSummary
from keyturn.flows.accounts import account_summary, find_account
from keyturn.flows.revoke import LOGOUT
from keyturn.ports import MAX_LISTED

_Claims = Mapping[str, object]


_FIRST = Subject("")


class IssuerFlows:
    """Methods of an issuer as flows over its ``components``. Each checks the types of its arguments."""

    def __init__(self, components: Components) -> None:
        self._components = components

    def signup(
        self,
        identifier: str,
        password: str,
        *,
        deliver: Deliver | None = None,
        client: ClientInfo | None = None,
        scope: str = "",
        claims: _Claims | None = None,
        resource: str | Iterable[str] | None = None,
    ) -> Flow[IssuedCredentials]:
        """Create an account and log in. ``scope``, ``claims``, ``resource``: as for ``login``.

        Raises ``PasswordRejected``, ``AccountExists``, ``Throttled``, ``Overloaded``, ``CredentialsNotOffered``,
        ``InvalidScope``, ``InvalidTarget``, ``PayloadRefused``, ``BadRequest``, ``GrantsUnavailable``.
        """
        attempt = _login_attempt(identifier, password, deliver, client, None, scope, claims, resource)
        return flows.signup(attempt, *self._components.present())

    def login(
        self,
        identifier: str,
        password: str,
        *,
        deliver: Deliver | None = None,
        client: ClientInfo | None = None,
        device: str | None = None,
        scope: str = "",
        claims: _Claims | None = None,
        resource: str | Iterable[str] | None = None,
    ) -> Flow[IssuedCredentials]:
        """Authenticate and create a session. ``device``: value of the device cookie, if the client sent one.

        ``scope``: the scopes to ask for, separated by spaces; default: all that are granted, by the issuer's ``grants``
        or, without it, to the account.
        ``claims``: copied into access tokens unchanged; an issuer with ``grants`` uses its claims instead.
        ``resource``: the configured audiences that every access token of the session is limited to; default: all.
        Raises ``LoginFailed``, ``Throttled``, ``Overloaded``, ``CredentialsNotOffered``, ``InvalidScope``,
        ``InvalidTarget``, ``PayloadRefused``, ``GrantsUnavailable``, ``TooManySessions``.
        """
        attempt = _login_attempt(identifier, password, deliver, client, device, scope, claims, resource)
        return flows.login(attempt, *self._components.present())

    def open_session(
        self,
        subject: Subject,
        *,
        amr: Iterable[str] = (),
        deliver: Deliver | None = None,
        client: ClientInfo | None = None,
        scope: str = "",
        claims: _Claims | None = None,
        resource: str | Iterable[str] | None = None,
        replaces: Iterable[str] = (),
    ) -> Flow[IssuedCredentials]:
        """Create a session of a subject that the application has authenticated. No endpoint does this.

        ``amr``: the methods by which it has (RFC 8176). ``replaces``: session, access or refresh tokens of earlier
        logins in the same browser, whose sessions are ended. The rest is as for ``login``.
        Raises ``NotFound`` without an account, ``Forbidden`` for a disabled one, ``CredentialsNotOffered``,
        ``InvalidScope``, ``InvalidTarget``, ``PayloadRefused``, ``GrantsUnavailable``, ``TooManySessions``.
        """
        require_name(subject=subject)
        methods, ended = read_names("amr", amr), read_names("replaces", replaces)
        attempt = _login_attempt("", "", deliver, client, None, scope, claims, resource)
        request = replace(attempt, amr=methods, replaces=ended)
        return flows.open_session(subject, request, *self._components.present())

    def verify(self, token: str) -> Flow[Principal]:
        """Verify a session token or an access token; return its principal.

        Raises ``TokenMalformed``, ``TokenInvalid``, ``TokenExpired``, ``TokenRevoked``, ``SessionEnded``; and
        ``RevocationUnknown`` when the feed is stale and the store is unavailable.
        """
        require_type(str, token=token)
        verify = flows.verify_session if token.startswith("kt_") else flows.verify_access
        return verify(token, *self._components.present())

    def refresh(
        self,
        token: str,
        *,
        deliver: Deliver = "tokens",
        resource: str | Iterable[str] | None = None,
        address: str = "",
    ) -> Flow[IssuedCredentials]:
        """Rotate a refresh token.

        ``resource``: granted audiences that the new access token is limited to; default: all. ``address``: of the
        client, for security events.
        Raises ``TokenReused`` (and ends the session), ``TokenRevoked``, ``SessionEnded``, ``TokenInvalid``,
        ``TokenMalformed``, ``CounterAhead``, ``StepUpRequired``, ``CredentialsNotOffered``, ``InvalidTarget``.
        """
        require_type(str, token=token, address=address)
        names = None if resource is None else read_names("resource", resource)
        delivery = self._components.config.resolve_delivery(deliver)
        return flows.refresh(token, delivery, *self._components.present(), names, address)

    def step_up(self, sid: SessionId, password: str, *, deliver: Deliver | None = None) -> Flow[IssuedCredentials]:
        """Confirm the password in a session (RFC 9470). Raises ``LoginFailed``, ``Throttled``, ``TokenRevoked``."""
        require_type(str, sid=sid, password=password)
        return flows.confirm_password(sid, password, deliver, *self._components.present())

    def change_password(
        self, sid: SessionId, current: str, new: str, *, deliver: Deliver | None = None
    ) -> Flow[IssuedCredentials]:
        """Replace the password and end the subject's other sessions. Raises ``LoginFailed``, ``PasswordRejected``."""
        require_type(str, sid=sid, current=current, new=new)
        return flows.change_password(sid, current, new, deliver, *self._components.present())

    def logout(self, sid: SessionId) -> Flow[RevocationReceipt]:
        """End one session and revoke its tokens. Raises ``NotFound``."""
        require_type(str, sid=sid)
        return flows.revoke_session(sid, LOGOUT, *self._components.present())

    def logout_others(self, sid: SessionId) -> Flow[RevocationReceipt]:
        """End every other session of the subject of ``sid``. Access tokens of ``sid`` end, too: refresh them.

        Raises ``TokenRevoked`` or ``SessionEnded`` unless ``sid`` is live.
        """
        require_type(str, sid=sid)
        return flows.revoke_other_sessions(sid, *self._components.present())

    def revoke_subject(self, subject: Subject) -> Flow[RevocationReceipt]:
        """End every session of a subject."""
        require_name(subject=subject)
        return flows.revoke_subject(subject, *self._components.present())

    def revoke_client(self, client_id: str) -> Flow[RevocationReceipt]:
        """End every session of a client."""
        require_name(client_id=client_id)
        return flows.revoke_client(client_id, *self._components.present())

    def revoke_everything(self) -> Flow[RevocationReceipt]:
        """End every session of every subject."""
        return flows.revoke_everything(*self._components.present())

    def introspect(self, token: str) -> Flow[dict[str, object]]:
        """Introspect a credential of any kind in the store (RFC 7662). Raises ``StoreUnavailable``."""
        require_type(str, token=token)
        return flows.introspect(token, *self._components.present())

    def sessions(self, subject: Subject, *, after: str = "", limit: int = MAX_LISTED) -> Flow[list[SessionSummary]]:
        """List at most ``limit`` live sessions of a subject, newest first, of the newest 1000.

        ``after``: ``cursor`` of the last session of the page before. Raises ``InvalidMember`` for an unusable value.
        """
        require_name(subject=subject)
        require_type(str, after=after)
        require_type(int, limit=limit)
        return flows.list_sessions(subject, *self._components.present(), after, limit)

    def account(self, subject: Subject | None = None, *, identifier: str | None = None) -> Flow[AccountSummary]:
        """Return the account of a subject or of an identifier. Raises ``NotFound``."""
        return _summary(self._find(subject, identifier))

    def accounts(self, after: Subject = _FIRST, limit: int = 100) -> Flow[list[AccountSummary]]:
        """List accounts in the order of their subjects, after the subject ``after``; at most ``limit`` of them.

        Raises ``InvalidMember`` for a limit outside 1 to 1000, ``NotFound`` for accounts of an application.
        """
        require_name(after=after)
        require_type(int, limit=limit)
        return flows.list_accounts(after, limit)

    def disable(self, subject: Subject | None = None, *, identifier: str | None = None) -> Flow[RevocationReceipt]:
        """Disable an account, by subject or identifier, and end its sessions. Raises ``NotFound``."""
        return self._set_disabled(self._find(subject, identifier), True)

    def enable(self, subject: Subject | None = None, *, identifier: str | None = None) -> Flow[RevocationReceipt]:
        """Enable an account, by subject or identifier. No earlier session or token comes back. Raises ``NotFound``."""
        return self._set_disabled(self._find(subject, identifier), False)

    def set_disabled(self, subject: Subject, disabled: bool) -> Flow[RevocationReceipt]:
        """Disable or enable an account and end its sessions. Raises ``NotFound``."""
        require_name(subject=subject)
        require_type(bool, disabled=disabled)
        return flows.set_disabled(subject, disabled, *self._components.present())

    def set_scope(self, subject: Subject, scope: str) -> Flow[None]:
        """Store the scopes that logins of an account get. If one is taken away, its sessions end.

        Raises ``NotFound``, ``InvalidScope``.
        """
        require_name(subject=subject)
        require_type(str, scope=scope)
        return flows.set_scope(subject, scope, *self._components.present())

    def _find(self, subject: Subject | None, identifier: str | None) -> Flow[Account]:
        if (subject is None) == (identifier is None):
            raise TypeError("the account must be given by either a subject or an identifier")
        require_name(**({"subject": subject} if identifier is None else {"identifier": identifier}))
        return find_account(subject, identifier, self._components.config)

    def _set_disabled(self, found: Flow[Account], disabled: bool) -> Flow[RevocationReceipt]:
        account = yield from found
        return (yield from flows.set_disabled(account.subject, disabled, *self._components.present()))


def _summary(found: Flow[Account]) -> Flow[AccountSummary]:
    return account_summary((yield from found))


def _login_attempt(
    identifier: str,
    password: str,
    deliver: Deliver | None,
    client: ClientInfo | None,
    device: str | None,
    scope: str,
    claims: _Claims | None,
    resource: str | Iterable[str] | None,
) -> LoginAttempt:
    info = ClientInfo() if client is None else client
    require_type(str, identifier=identifier, password=password, device=device or "", scope=scope)
    require_type(ClientInfo, client=info)
    require_type(str, label=info.label, address=info.address)
    require_name(client_id=info.client_id)
    require_type(Mapping, claims=claims or {})
    names = None if resource is None else read_names("resource", resource)
    return LoginAttempt(
        identifier,
        password,
        deliver=deliver,
        client=info,
        device_token=device,
        scope=scope,
        claims=claims or {},
        resource=names,
    )
