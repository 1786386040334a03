"""Security events of an issuer in an application go to the log of the application."""

import asyncio
import logging
from typing import Any

import pytest

from keyturn import AsyncIssuer, Issuer
from keyturn.config.audit_logging import EVENT_FIELDS, LoggingAuditLog
from keyturn.config.settings import Settings
from keyturn.core.audit import AuditEvent, AuditEventType
from keyturn.core.types import Instant
from keyturn.errors import LoginFailed, StoreUnavailable

ISSUER = "https://auth.example.com"
PASSWORD = "unrelated gravel thistle moss"
SETTINGS = Settings(issuer=ISSUER, audience="orders", store="memory:", secret="s3cret-" * 8, service_token="t" * 32)


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "keyturn.audit"]


def test_events_of_an_issuer_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "keyturn.audit"), Issuer(SETTINGS) as issuer:
        issued = issuer.signup("ada@example.com", PASSWORD, deliver="both")
        with pytest.raises(LoginFailed):
            issuer.login("ada@example.com", PASSWORD + "!")
        issuer.logout(issued.sid)
    assert events(caplog) == [("INFO", each) for each in ("signup", "login", "login_failed", "logout")]
    record: Any = caplog.records[1]
    assert (record.subject, record.sid) == (issued.subject, issued.sid)
    assert PASSWORD not in str([vars(each) for each in caplog.records])
    assert "kt_" not in str([vars(each) for each in caplog.records])


def test_events_of_an_async_issuer_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with AsyncIssuer(SETTINGS) as issuer:
            await issuer.signup("ada@example.com", PASSWORD)

    with caplog.at_level(logging.INFO, "keyturn.audit"):
        asyncio.run(run())
    assert events(caplog) == [("INFO", "signup"), ("INFO", "login")]


def test_an_alert_is_an_error_and_is_logged_before_it_is_stored(caplog: pytest.LogCaptureFixture) -> None:
    class Unavailable:
        recent = purge = None

        def append(self, event: AuditEvent) -> None:
            raise StoreUnavailable("away")

    event = AuditEvent(AuditEventType.TOKEN_REUSED, Instant(1), "ada", "sid", "192.0.2.7", "a detail")
    with caplog.at_level(logging.INFO, "keyturn.audit"), pytest.raises(StoreUnavailable):
        LoggingAuditLog(Unavailable()).append(event)
    assert events(caplog) == [("ERROR", "token_reused")]
    assert [getattr(caplog.records[0], name) for name in EVENT_FIELDS] == ["ada", "sid", "192.0.2.7", "a detail"]
