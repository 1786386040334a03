"""What a session is shown as: the kind of device, its browser and system, and times in words."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

import ua_parser

from keyturn.core.principal import Principal
from keyturn.core.types import Instant, SessionId
from keyturn.flows.sessions import SessionSummary

Kind = Literal["phone", "laptop", "browser", "program"]

_PHONES = ("Android", "iOS", "iPadOS", "Windows Phone", "KaiOS", "HarmonyOS")
_LAPTOPS = ("Windows", "Mac OS X", "Linux", "Ubuntu", "Fedora", "Chrome OS")
_PROGRAMS = ("curl", "Wget", "Python", "python-requests", "Go-http-client", "okhttp", "axios", "Java")
_SYSTEMS = {"Mac OS X": "macOS"}


class Program(NamedTuple):
    """Program of a login, by its User-Agent. ``browser`` and ``system`` are empty where it tells none."""

    kind: Kind
    browser: str
    system: str


class Device(NamedTuple):
    """One session of the list. ``name``: the text of a program that is not known, as it names itself."""

    sid: SessionId
    program: Program
    name: str
    address: str
    created_at: Instant
    last_seen_at: Instant
    is_current: bool


@lru_cache(1024)
def read_user_agent(text: str) -> Program:
    """Return the program of a User-Agent header."""
    found = ua_parser.parse(text)
    browser = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    if system in _PHONES:
        kind: Kind = "phone"
    elif not browser or browser.startswith(_PROGRAMS):
        kind = "program"
    else:
        kind = "laptop" if system in _LAPTOPS else "browser"
    return Program(kind, browser, _SYSTEMS.get(system, system))


def list_devices(sessions: list[SessionSummary], principal: Principal) -> list[Device]:
    """Return the sessions in reading order: this device, then by last use."""
    devices = [_device(each, principal) for each in sessions]
    return sorted(devices, key=lambda each: (not each.is_current, -each.last_seen_at))


def _device(session: SessionSummary, principal: Principal) -> Device:
    program = read_user_agent(session.label)
    return Device(
        session.sid,
        program,
        session.label,
        session.address,
        session.created_at,
        session.last_seen_at,
        session.sid == principal.sid,
    )


class Moment(NamedTuple):
    """A time as ``<time>`` shows it. ``iso``: for the script that shows it in local time."""

    iso: str
    text: str


def describe_time(at: Instant) -> Moment:
    """Return a time in UTC."""
    when = datetime.fromtimestamp(at, UTC)
    return Moment(when.strftime("%Y-%m-%dT%H:%M:%SZ"), when.strftime("%Y-%m-%d %H:%M UTC"))
