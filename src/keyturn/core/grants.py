"""Grants: the scopes and claims of a login, decided by the application or stored with the account."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, cast

from keyturn.core.claims import RESERVED_CLAIMS
from keyturn.core.immutable import EMPTY
from keyturn.core.payload_guard import guard_payload
from keyturn.core.session import ASKED_SCOPE, ClientInfo, Session
from keyturn.core.types import Subject
from keyturn.errors import GrantsUnavailable, InvalidScope, PayloadRefused

RESERVED_SCOPE: Final = "keyturn:"
"""Prefix of scopes that no client may ask for and no application may grant: administration is a flag of the account."""

MAX_SCOPE_CHARS: Final = 1024
"""Longest list of scopes, in characters: every access token carries it."""

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""``scope-token`` of RFC 6749 section 3.3."""


class Grant(NamedTuple):
    """Scopes, separated by spaces, and claims of a login. A plain tuple of both is accepted, too."""

    scope: str = ""
    claims: Mapping[str, object] = EMPTY


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """Login, refresh or step-up whose scopes and claims the application decides.

    ``scope``: the scopes that the login asked for; None if it asked for none in particular: all of the account's.
    ``account_scope``: the scopes stored with the account, at a login; None at a refresh and a step-up, which do not
    read them. ``amr``: authentication methods of the session (RFC 8176).
    """

    subject: Subject
    client: ClientInfo
    scope: tuple[str, ...] | None
    amr: tuple[str, ...]
    account_scope: str | None = None


def parse_scope(text: str) -> tuple[str, ...]:
    """Return the scopes of a list without repetitions (RFC 6749 section 3.3). Raises ``InvalidScope``.

    Scopes are separated by one or more spaces. No scope may begin with ``keyturn:``.
    """
    if len(text) > MAX_SCOPE_CHARS:
        raise InvalidScope(f"the scopes have {len(text)} characters, of at most {MAX_SCOPE_CHARS}")
    names = tuple(dict.fromkeys(each for each in text.split(" ") if each))
    for name in names:
        if not _SCOPE.fullmatch(name):
            raise InvalidScope(f"{name!r} is no scope (RFC 6749 section 3.3)")
        if name.lower().startswith(RESERVED_SCOPE):
            raise InvalidScope(f"{name!r}: scopes that begin with {RESERVED_SCOPE} cannot be granted")
    return names


def select_scope(asked: tuple[str, ...] | None, granted: str) -> str:
    """Return the scopes of ``granted`` that were asked for, in its order; all of them if ``asked`` is None."""
    names = parse_scope(granted)
    return " ".join(names if asked is None else (each for each in names if each in asked))


def read_grant(answer: object) -> Grant:
    """Check the answer of the application. Raises ``GrantsUnavailable`` unless it is a tuple that may be granted."""
    members = cast("tuple[object, ...]", answer) if isinstance(answer, tuple) else ()
    if len(members) != 2:
        raise GrantsUnavailable("`grants` must return a tuple of two, the scopes and the claims")
    scope, claims = members
    if not isinstance(scope, str) or not isinstance(claims, Mapping):
        kinds = f"{type(scope).__name__} and {type(claims).__name__}"
        raise GrantsUnavailable(f"`grants` must return the scopes as str and the claims as a mapping, not {kinds}")
    own = dict(cast("Mapping[str, object]", claims))
    try:
        guard_payload(own)
        # A copy as the store returns it: the application may change its own later, and stored claims are compared.
        return Grant(" ".join(parse_scope(scope)), json.loads(json.dumps(own)))
    except (InvalidScope, PayloadRefused) as refusal:
        raise GrantsUnavailable(f"`grants` returned what cannot be granted: {refusal.detail}") from None


def asked_scope(session: Session) -> tuple[str, ...] | None:
    """Return the scopes that the login of ``session`` asked for; None if it asked for none in particular."""
    asked = session.claims.get(ASKED_SCOPE)
    return None if asked is None else tuple(cast("list[str]", asked))


def apply_grant(session: Session, grant: Grant) -> Session:
    """Return the session with the scopes and claims of ``grant``; the same object if it has them already.

    Scopes that the login did not ask for are not granted. Earlier claims of the application are replaced.
    """
    kept = {name: value for name, value in session.claims.items() if name in RESERVED_CLAIMS}
    scope, claims = select_scope(asked_scope(session), grant.scope), {**grant.claims, **kept}
    if (scope, claims) == (session.scope, session.claims):
        return session
    return replace(session, scope=scope, claims=claims)
