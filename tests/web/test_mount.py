"""The endpoints below a prefix, in ASGI and WSGI: paths, links, metadata, and two issuers on one host."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import pytest

from keyturn import AsyncIssuer, Issuer
from keyturn.core.issuer_config import IssuerConfig
from keyturn.core.sealed import Secrets
from keyturn.errors import ConfigurationError
from keyturn.web import openapi
from keyturn.web.application import Exchange
from keyturn.web.asgi import AsgiEndpoints
from keyturn.web.config import WebConfig, web_config
from keyturn.web.mount import Mount, warn_of_shared_cookies
from keyturn.web.routes import ROUTES
from keyturn.web.wsgi import WsgiEndpoints
from web.exchanges import (
    HOST,
    JSON,
    PASSWORD,
    Answer,
    Sent,
    open_async,
    open_sync,
    send_asgi,
    send_wsgi,
    wsgi_environ,
)
from web.test_exchanges import cookies, form

HOST_URL = "https://auth.example.com"
ADA = json.dumps({"email": "ada@example.com", "password": PASSWORD, "deliver": "cookie"}).encode()


def config(issuer: str = HOST_URL) -> WebConfig:
    return web_config(IssuerConfig(issuer, ("orders",), Secrets(b"s" * 32)))


class Mounted:
    """An application of each kind below a prefix, called at a mount point."""

    def __init__(self, kind: str, prefix: str = "/auth", **changes: Any) -> None:
        self.seen: list[Exchange] = []
        self.issuer: AsyncIssuer | Issuer = open_async(**changes) if kind == "asgi" else open_sync(**changes)
        application: Any = AsgiEndpoints if kind == "asgi" else WsgiEndpoints
        self.app = application(self.issuer, self.seen.append, prefix=prefix)
        self._is_asgi = kind == "asgi"

    def ask(self, sent: Sent, root: str = "") -> Answer:
        """Send a request to the public path of ``sent`` through a server that mounts the application at ``root``."""
        if self._is_asgi:

            async def mounted(scope: dict[str, Any], receive: Any, send: Any) -> None:
                await self.app(scope | {"root_path": root}, receive, send)

            return send_asgi(mounted, sent)

        def mount(environ: dict[str, Any], start: Any) -> Any:
            path = environ["PATH_INFO"].removeprefix(root)
            return self.app(environ | {"SCRIPT_NAME": root, "PATH_INFO": path}, start)

        return send_wsgi(mount, sent)

    def get(self, path: str, root: str = "") -> tuple[int, Any]:
        answer = self.ask(Sent("GET", path), root)
        return answer.status, json.loads(answer.body) if answer.body.startswith(b"{") else {}

    def close(self) -> None:
        self.issuer.parts.hasher.close()


@pytest.fixture(params=["asgi", "wsgi"])
def mount(request: pytest.FixtureRequest) -> Iterator[Callable[..., Mounted]]:
    made: list[Mounted] = []

    def make(*arguments: Any, **changes: Any) -> Mounted:
        made.append(Mounted(request.param, *arguments, **changes))
        return made[-1]

    yield make
    for each in made:
        each.close()


PLACES = [
    ("/auth", "", "/auth", "/docs/errors"),
    ("/auth", "/auth", "/auth", "/auth/docs/errors"),
    ("/accounts", "", "/accounts", "/accounts/docs/errors"),
    ("/accounts/v1", "/accounts/v1", "/accounts/v1", "/accounts/v1/docs/errors"),
    ("", "", "", "/docs/errors"),
]
"""Prefix, mount point, public path of the endpoints, public path of the error page."""


@pytest.mark.parametrize(("prefix", "root", "public", "errors"), PLACES)
def test_the_endpoints_and_all_that_links_to_them_follow_the_prefix(
    mount: Callable[..., Mounted], prefix: str, root: str, public: str, errors: str
) -> None:
    place = mount(prefix)
    status, problem = place.get(f"{public}/session", root)
    assert (status, problem["type"]) == (401, f"{HOST_URL}{errors}#unauthenticated")
    assert place.ask(Sent("GET", errors), root).status == 200
    signup = place.ask(Sent("POST", f"{public}/signup", (HOST, JSON), ADA), root)
    assert signup.status == 201
    assert all(b"Path=/;" in each and each.startswith(b"__Host-kt_") for each in signup.values(b"set-cookie"))
    sid = json.loads(signup.body)["sid"]
    assert place.ask(Sent("DELETE", f"{public}/sessions/{sid}", (HOST, cookies(signup))), root).status == 200
    refused = place.ask(form(f"{public}/token", grant_type="password"), root)
    assert (json.loads(refused.body)["error"], json.loads(refused.body)["docs"].partition("#")[0]) == (
        "unsupported_grant_type",
        HOST_URL + errors,
    )
    assert [each.route for each in place.seen][-2:] == ["/auth/sessions/{sid}", "/auth/token"]
    metadata = place.get("/.well-known/oauth-authorization-server", "" if root != public else "/.well-known")[1]
    assert metadata["token_endpoint"] == f"{HOST_URL}{public}/token"
    assert metadata["keyturn_revocations_endpoint"] == f"{HOST_URL}{public}/revocations"
    assert metadata["jwks_uri"] == f"{HOST_URL}/.well-known/jwks.json"
    document = place.get(errors.replace("docs/errors", "openapi.json"), root)[1]
    assert document["servers"] == [{"url": HOST_URL}]
    assert {f"{public}/login", errors, "/.well-known/jwks.json"} <= document["paths"].keys()
    assert len(document["paths"]) == len({each.path for each in ROUTES})


STRANGE = [
    ("/auth", "", "/login"),
    ("/auth", "", "/authlogin"),
    ("/auth", "", "/auth"),
    ("/auth", "", "/auth/"),
    ("/auth", "", "//auth/login"),
    ("/auth", "", "/auth/auth/login"),
    ("/auth", "", "/x/auth/login"),
    ("/auth", "", "/auth/../auth/login"),
    ("/auth", "/auth", "/auth/auth/login"),
    ("/auth", "/auth", "/auth/.well-known/jwks.json"),
    ("/auth", "/auth", "/auth//login"),
    ("/accounts", "", "/auth/login"),
    ("/accounts", "", "/docs/errors"),
    ("/accounts", "", "/accounts/auth/login"),
    ("/accounts", "/accounts", "/accounts/accounts/login"),
    ("/accounts", "/other", "/other/login"),
    ("/auth", "/.well-known", "/.well-known/auth/login"),
    ("/auth", "/.well-known", "/.well-known/jwks.json/tenant"),
]
"""Prefix, mount point, public path."""


@pytest.mark.parametrize(("prefix", "root", "path"), STRANGE)
def test_another_path_is_not_found(mount: Callable[..., Mounted], prefix: str, root: str, path: str) -> None:
    place = mount(prefix)
    for method in ("GET", "POST"):
        answer = place.ask(Sent(method, path, (HOST, JSON), ADA), root)
        assert (answer.status, json.loads(answer.body)["code"]) == (404, "not_found")
    assert {each.route for each in place.seen} == {"unmatched"}


@pytest.mark.parametrize("path", ["/accounts/%6cogin", "/accounts%2Flogin", "/%61ccounts/login"])
def test_an_escaped_path_below_a_prefix_is_not_found(mount: Callable[..., Mounted], path: str) -> None:
    place = mount("/accounts")
    answer = place.ask(Sent("POST", path, (HOST, JSON), ADA))
    assert (answer.status, json.loads(answer.body)["code"]) == (404, "not_found")


@pytest.mark.parametrize("prefix", ["auth", "/auth/", "/", "//auth", "/a//b", "/a/../b", "/.", "/a b", "/é", "/a%2Fb"])
def test_a_prefix_that_is_no_path_is_a_configuration_error(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="prefix must be a path"):
        Mount(config(), prefix)


@pytest.mark.parametrize("prefix", ["/.well-known", "/.well-known/auth"])
def test_the_well_known_documents_are_no_prefix(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="prefix must be a path"):
        Mount(config(), prefix)


TENANT = HOST_URL + "/tenant"


def test_an_issuer_with_a_path_has_its_metadata_at_the_root_of_the_host(mount: Callable[..., Mounted]) -> None:
    """RFC 8414 section 3.1: the path of the issuer follows the well-known name."""
    place = mount("/auth", issuer=TENANT)
    names = [
        ("/.well-known/oauth-authorization-server/tenant", ""),
        ("/.well-known/oauth-authorization-server/tenant", "/.well-known"),
        ("/.well-known/oauth-authorization-server/tenant", "/.well-known/oauth-authorization-server"),
        ("/tenant/.well-known/openid-configuration", "/tenant"),
        ("/tenant/.well-known/openid-configuration", ""),
    ]
    for path, root in names:
        status, metadata = place.get(path, root)
        assert (status, metadata["issuer"]) == (200, TENANT)
    assert metadata["token_endpoint"] == f"{TENANT}/auth/token"
    assert metadata["jwks_uri"] == f"{TENANT}/auth/jwks.json"
    for root in ("", "/tenant", "/tenant/auth"):
        status, keys = place.get(urlsplit(metadata["jwks_uri"]).path, root)
        assert (status, len(keys["keys"])) == (200, 1)
        assert place.get("/tenant/auth/session", root)[0] == 401
    for path in (
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/other",
        "/auth/login",
    ):
        assert place.get(path)[0] == 404


def test_an_issuer_whose_path_is_the_prefix_has_its_endpoints_below_both(mount: Callable[..., Mounted]) -> None:
    place = mount("/auth", issuer=HOST_URL + "/auth")
    assert [place.get("/auth/auth/session", root)[0] for root in ("", "/auth", "/auth/auth")] == [401, 401, 401]
    assert place.get("/auth/session", "")[0] == 404
    own = mount("", issuer=HOST_URL + "/own")
    assert own.get("/own/session", "/own")[1]["type"] == HOST_URL + "/own/docs/errors#unauthenticated"


def test_the_openapi_document_names_the_servers_of_an_issuer_with_a_path() -> None:
    found: dict[str, Any] = openapi.document(ROUTES, config(TENANT))
    assert found["servers"] == [{"url": TENANT}]
    paths = found["paths"]
    assert {"/auth/login", "/auth/jwks.json", "/docs/errors"} <= paths.keys()
    metadata = paths["/.well-known/oauth-authorization-server/tenant"]
    assert (metadata["servers"], "servers" in paths["/auth/login"]) == ([{"url": HOST_URL}], False)
    assert not any("servers" in item for item in openapi.document(ROUTES, config())["paths"].values())  # type: ignore[attr-defined]


def test_two_issuers_in_one_process_do_not_disturb_each_other(mount: Callable[..., Mounted]) -> None:
    one = mount("/auth", issuer=HOST_URL + "/one", cookie_prefix="one_", secret="1" * 64)
    two = mount("/auth", issuer=HOST_URL + "/two", cookie_prefix="two_", secret="2" * 64)
    answers = {}
    for place, name in ((one, "one"), (two, "two")):
        answers[name] = place.ask(Sent("POST", f"/{name}/auth/signup", (HOST, JSON), ADA), f"/{name}")
        assert answers[name].status == 201
    jar = cookies(answers["one"])[1] + b"; " + cookies(answers["two"])[1]
    both = (HOST, (b"cookie", jar))
    for place, name in ((one, "one"), (two, "two")):
        session = place.ask(Sent("GET", f"/{name}/auth/session", both), f"/{name}")
        assert json.loads(session.body)["sid"] == json.loads(answers[name].body)["sid"]
    assert one.ask(Sent("POST", "/one/auth/logout", both), "/one").status == 200
    assert one.ask(Sent("GET", "/one/auth/session", both), "/one").status == 401
    assert two.ask(Sent("GET", "/two/auth/session", both), "/two").status == 200
    assert two.ask(Sent("GET", "/two/auth/session", (HOST, cookies(answers["one"]))), "/two").status == 401


def test_two_issuers_with_the_same_cookies_on_one_host_are_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyturn.web.mount._mounts", WeakSet())
    first, second = config(TENANT), config(HOST_URL + "/other")
    mounts = [Mount(first), Mount(first, "/x"), Mount(config("https://other.example.com"))]
    with caplog.at_level(logging.WARNING, "keyturn.web"):
        for each in mounts:
            warn_of_shared_cookies(each)
        assert caplog.records == []
        warn_of_shared_cookies(other := Mount(second))
    assert "cookie_prefix" in caplog.text
    assert not other.shares_cookies(mounts[-1])
    assert not Mount(config(TENANT)).shares_cookies(mounts[0]), "an issuer that was made again"


def test_a_server_that_leaves_the_mount_point_out_of_the_path_is_understood() -> None:
    issuer = open_async()
    app = AsgiEndpoints(issuer)

    async def without_root(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await app(scope | {"root_path": "/auth/", "path": "/session"}, receive, send)

    assert send_asgi(without_root, Sent("GET", "/auth/session")).status == 401
    issuer.parts.hasher.close()


def test_a_wsgi_server_without_a_mount_point_needs_no_script_name() -> None:
    issuer = open_sync()
    environ = {key: value for key, value in wsgi_environ(Sent("GET", "/auth/session")).items() if key != "SCRIPT_NAME"}
    started: list[str] = []
    WsgiEndpoints(issuer)(environ, lambda status, _headers, _error=None: started.append(status))  # type: ignore[arg-type,return-value]
    assert started == ["401 Unauthorized"]
    issuer.parts.hasher.close()
