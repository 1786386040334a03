"""Valid requests, and a control login that must stay valid."""

import json

from advisories.raw_http import EMAIL, OTHER, OTHER_PASSWORD, PASSWORD, RawClient, bearer, jar
from keyturn.core.types import Subject
from keyturn.flows.accounts import set_admin
from keyturn.flows.drive import drive

SESSION = "__Host-kt_session"
JSON_PATHS: dict[str, dict[str, object]] = {
    "/auth/signup": {"email": "new@example.com", "password": PASSWORD, "deliver": "both", "client_id": "app"},
    "/auth/login": {"email": EMAIL, "password": PASSWORD, "deliver": "both", "client_id": "app"},
    "/auth/password": {"current_password": "not this one", "new_password": "another long password"},
    "/auth/step-up": {"password": "not this one"},
    "/auth/accounts/disable": {"email": "nobody@example.com"},
    "/auth/accounts/enable": {"subject": "nobody"},
}
FORM_PATHS = {"/auth/token": "refresh_token", "/auth/revoke": "token", "/auth/introspect": "token"}


class ControlLogin:
    """A login from before the test, which must stay valid."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.login = client.login(email=OTHER, password=OTHER_PASSWORD)
        self.cookie = jar({SESSION: self.login.cookies[SESSION]})
        self.caller = client.login(email=OTHER, password=OTHER_PASSWORD)
        self.auth = bearer(self.caller.json["access_token"])
        # An administrator: the endpoints of accounts read no body of another caller.
        parts = client.parts
        drive(set_admin(Subject(self.caller.json["subject"]), True, *parts.present()), parts.sync_ports)

    def assert_unharmed(self) -> None:
        assert self.client.get("/auth/session", self.cookie).status == 200
        assert self.client.get("/auth/session", bearer(self.login.json["access_token"])).status == 200
        refresh = {"grant_type": "refresh_token", "refresh_token": self.login.json["refresh_token"]}
        # Within the grace window it may be used any number of times.
        assert self.client.form("/auth/token", refresh).status == 200
        assert self.client.login().status == 200


def to_json(document: object) -> bytes:
    return json.dumps(document).encode()
