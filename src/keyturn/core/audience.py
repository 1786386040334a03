"""Audiences of access tokens: names of resource servers, which ``resource`` selects (RFC 8707).

Names are compared exactly: no case folding, no trailing slash, no Unicode normalization (RFC 3986 section 6.2.1).
"""

from collections.abc import Collection, Iterable, Sequence
from typing import cast

from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.session import AUDIENCE, Session
from keyturn.core.types import require_type
from keyturn.errors import InvalidTarget, TokenInvalid

_ELSEWHERE = "This access token is for other services; send one whose audience includes this server."
_NO_GRANT = "This server no longer has the audiences that the login was granted; log in again."


def read_names(member: str, names: str | Iterable[str]) -> tuple[str, ...]:
    """Return one name or several as a tuple without repetitions. Raises ``TypeError`` naming ``member``."""
    if isinstance(names, str):
        return (names,)
    require_type(Iterable, **{member: names})
    found = tuple(names)
    for name in found:
        require_type(str, **{member: name})
    return tuple(dict.fromkeys(found))


def select_audience(resource: Sequence[str] | None, granted: Sequence[str]) -> tuple[str, ...]:
    """Return the granted names that ``resource`` selects, in the order of ``granted``; all of them if it is None.

    Raises ``InvalidTarget`` for a name that is not granted, for no name, and if nothing is granted (RFC 8707
    section 2). A resource is never widened to what was granted beside it.
    """
    if not granted:
        raise InvalidTarget("no granted audience is configured any more", hint=_NO_GRANT)
    selected = granted if resource is None else resource
    if not selected or not set(selected).issubset(granted):
        raise InvalidTarget(f"resource is not among {', '.join(granted)}")
    return tuple(name for name in granted if name in selected)


def granted_audience(session: Session, config: IssuerConfig) -> tuple[str, ...]:
    """Return the configured names that the login of ``session`` was granted: those of its ``resource``, or all.

    A name that the configuration no longer contains is granted to no session.
    """
    granted = session.claims.get(AUDIENCE)
    if granted is None:
        return config.audience
    # A list only: "in" would find a part of a name in a string.
    names = cast(list[object], granted) if isinstance(granted, list) else []
    return tuple(name for name in config.audience if name in names)


def check_own_audience(aud: str | Collection[str], is_limited: bool, config: IssuerConfig) -> None:
    """Raise ``TokenInvalid`` unless a token may be used at the issuer's own endpoints.

    ``aud`` must contain the issuer or, if ``resource`` did not limit it, the first configured name. A service could
    use a token that is limited to it to end its owner's sessions (RFC 8707 section 3, token redirect).
    """
    names = (aud,) if isinstance(aud, str) else aud
    if config.issuer not in names and (is_limited or config.audience[0] not in names):
        raise TokenInvalid("aud names other resource servers than this issuer", hint=_ELSEWHERE)
