"""Use cases as generators: one file each, written once and driven with or without ``await``."""

from keyturn.flows.accounts import AccountSummary, list_accounts, set_disabled, set_scope
from keyturn.flows.create_session import LoginAttempt, SessionRequest
from keyturn.flows.drive import drive, drive_async
from keyturn.flows.effects import Call, Flow, call
from keyturn.flows.introspect import introspect
from keyturn.flows.issue import IssuedCredentials
from keyturn.flows.keys import add_key, roll_keys
from keyturn.flows.login import login
from keyturn.flows.logout_others import revoke_other_sessions
from keyturn.flows.open_session import open_session
from keyturn.flows.password import change_password
from keyturn.flows.refresh import refresh
from keyturn.flows.revoke import RevocationReceipt, revoke_client, revoke_everything, revoke_session, revoke_subject
from keyturn.flows.sessions import SessionSummary, list_sessions
from keyturn.flows.signup import signup
from keyturn.flows.step_up import confirm_password
from keyturn.flows.verify import verify_access, verify_session

__all__ = [
    "AccountSummary",
    "Call",
    "Flow",
    "IssuedCredentials",
    "LoginAttempt",
    "RevocationReceipt",
    "SessionRequest",
    "SessionSummary",
    "add_key",
    "call",
    "change_password",
    "confirm_password",
    "drive",
    "drive_async",
    "introspect",
    "list_accounts",
    "list_sessions",
    "login",
    "open_session",
    "refresh",
    "revoke_client",
    "revoke_everything",
    "revoke_other_sessions",
    "revoke_session",
    "revoke_subject",
    "roll_keys",
    "set_disabled",
    "set_scope",
    "signup",
    "verify_access",
    "verify_session",
]
