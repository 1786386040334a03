"""What a newcomer sends to each application: sign up, log in on another device, and log out everywhere."""

from typing import Any

import httpx

EMAIL, PASSWORD = "ada@example.com", "violet umbrella 7 o clock"
_LOGIN = {"email": EMAIL, "password": PASSWORD}
_FORM = {"username": EMAIL, "password": PASSWORD}


class Journey:
    """Requests of one package. Each method raises ``HTTPStatusError`` if a request is refused.

    ``protected``: path of the route of the application.
    """

    protected = "/me"

    def sign_up(self, client: httpx.Client) -> None:
        """Create the account, and log in. By default the account is part of the application."""
        self.log_in(client)

    def log_in(self, client: httpx.Client) -> None:
        """Log in. The client keeps the credential."""
        raise NotImplementedError

    def log_out_everywhere(self, client: httpx.Client) -> None:
        """Send what the package has to end every login of the account; the nearest to it if it has nothing."""


class KeyturnJourney(Journey):
    def sign_up(self, client: httpx.Client) -> None:
        _post(client, "/auth/signup", json={**_LOGIN, "deliver": "cookie"})

    def log_in(self, client: httpx.Client) -> None:
        _post(client, "/auth/login", json={**_LOGIN, "deliver": "cookie"})

    def log_out_everywhere(self, client: httpx.Client) -> None:
        _post(client, "/auth/logout-all")


class BetterAuthJourney(Journey):
    def sign_up(self, client: httpx.Client) -> None:
        self._send(client, "sign-up/email", json={**_LOGIN, "name": "Ada"})

    def log_in(self, client: httpx.Client) -> None:
        self._send(client, "sign-in/email", json=_LOGIN)

    def log_out_everywhere(self, client: httpx.Client) -> None:
        self._send(client, "revoke-sessions", json={})

    def _send(self, client: httpx.Client, path: str, **options: Any) -> None:
        _post(client, f"/api/auth/{path}", headers={"Origin": str(client.base_url).rstrip("/")}, **options)


class CrudauthJourney(Journey):
    protected = "/private"

    def sign_up(self, client: httpx.Client) -> None:
        _post(client, "/register", json={**_LOGIN, "username": "ada"})
        self.log_in(client)

    def log_in(self, client: httpx.Client) -> None:
        _post(client, "/login", data=_FORM)

    def log_out_everywhere(self, client: httpx.Client) -> None:
        _post(client, "/logout-all", headers={"X-CSRF-Token": client.cookies["csrf_token"]})


class FastapiUsersJourney(Journey):
    def sign_up(self, client: httpx.Client) -> None:
        _post(client, "/auth/register", json=_LOGIN)
        self.log_in(client)

    def log_in(self, client: httpx.Client) -> None:
        _use_token(client, _post(client, "/auth/jwt/login", data=_FORM)["access_token"])

    def log_out_everywhere(self, client: httpx.Client) -> None:
        _post(client, "/auth/jwt/logout")


class TutorialJourney(Journey):
    def log_in(self, client: httpx.Client) -> None:
        _use_token(client, _post(client, "/token", data={**_FORM, "username": "ada"})["access_token"])


class AllauthJourney(Journey):
    _API = "/_allauth/browser/v1"

    def sign_up(self, client: httpx.Client) -> None:
        self._send(client, "signup")

    def log_in(self, client: httpx.Client) -> None:
        self._send(client, "login")

    def log_out_everywhere(self, client: httpx.Client) -> None:
        found = client.get(f"{self._API}/auth/sessions").raise_for_status().json()["data"]
        body, headers = {"sessions": [each["id"] for each in found]}, {"X-CSRFToken": client.cookies["csrftoken"]}
        # It answers 401 when the session of the request is among those that ended.
        client.request("DELETE", f"{self._API}/auth/sessions", json=body, headers=headers)

    def _send(self, client: httpx.Client, path: str) -> None:
        client.get(f"{self._API}/config").raise_for_status()
        _post(client, f"{self._API}/auth/{path}", json=_LOGIN, headers={"X-CSRFToken": client.cookies["csrftoken"]})


class SimpleJwtJourney(Journey):
    def __init__(self) -> None:
        self._refresh = ""

    def log_in(self, client: httpx.Client) -> None:
        issued = _post(client, "/api/token/", json={**_FORM, "username": "ada"})
        self._refresh = issued["refresh"]
        _use_token(client, issued["access"])

    def log_out_everywhere(self, client: httpx.Client) -> None:
        _post(client, "/api/token/blacklist/", json={"refresh": self._refresh})


class FlaskJwtJourney(Journey):
    def log_in(self, client: httpx.Client) -> None:
        _use_token(client, _post(client, "/login", json={**_FORM, "username": "ada"})["access_token"])


class LitestarJwtJourney(Journey):
    def log_in(self, client: httpx.Client) -> None:
        reply = client.post("/login", json={"name": "ada"}).raise_for_status()
        client.headers["Authorization"] = reply.headers["Authorization"]


def _post(client: httpx.Client, path: str, **options: Any) -> Any:
    reply = client.post(path, **options)
    if reply.is_error:
        raise RuntimeError(f"{path}: {reply.status_code} {reply.text[:500]}")
    return reply.json() if reply.content else None


def _use_token(client: httpx.Client, token: str) -> None:
    client.headers["Authorization"] = f"Bearer {token}"
