"""Objects with a secret do not show it in ``repr``, ``str``, exceptions or tracebacks.

Sources: CWE-209, CWE-215, CWE-532, OWASP ASVS 5.0 16.2.5.
"""

import logging
import re
import traceback
from collections.abc import Iterator

import msgspec
import pytest

from advisories.canaries import NEW_PASSWORD, PASSWORD, WRONG, canaries_in
from advisories.raw_http import EMAIL, SECRET, SERVICE, RawClient, bearer, jar, make_client
from keyturn import errors
from keyturn.config.settings import Settings
from keyturn.core.account import Account
from keyturn.core.sealed import CredentialKind, Secrets, parse
from keyturn.core.types import Instant, SessionId, Subject
from keyturn.flows import Call, LoginAttempt
from keyturn.server.logs import configure_logs
from keyturn.tokens import KeyEncryptor
from keyturn.web.credentials import Credential
from keyturn.web.message import Request
from keyturn.web.schemas import LoginRequest, PasswordRequest, StepUpRequest, TokenRequest


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    with make_client() as made:
        yield made


def test_no_secret_appears_in_repr_or_str(client: RawClient) -> None:
    issued = client.runner.run(client.issuer.signup(EMAIL, PASSWORD, deliver="both"))
    session, secrets = issued.session, Secrets(SECRET.encode())
    tokens = {
        name: getattr(issued, name).reveal()
        for name in ("session_token", "csrf_token", "access_token", "refresh_token", "device_token")
    }
    presented = parse(tokens["session_token"], CredentialKind.SESSION, secrets)
    cookie = jar({"__Host-kt_session": tokens["session_token"]})
    request = Request("POST", "/auth/login", headers=(cookie, bearer(tokens["access_token"])), body=PASSWORD.encode())
    account = client.runner.run(client.parts.ports.accounts.find(EMAIL))
    holders = [
        *(
            issued,
            session,
            session.seed,
            secrets,
            presented,
            request,
            account,
            client.issuer,
            client.parts,
            client.parts.config,
        ),
        *(
            client.parts.settings,
            client.parts.keyring,
            client.parts.session_cache,
            client.parts.store,
            client.parts.hasher,
            client.parts.ports,
        ),
        *(
            LoginAttempt(EMAIL, PASSWORD, device_token=tokens["device_token"]),
            KeyEncryptor(SECRET.encode()),
            Settings(secret=SECRET),
        ),
        *(LoginRequest(EMAIL, PASSWORD), PasswordRequest(PASSWORD, NEW_PASSWORD), StepUpRequest(PASSWORD)),
        *(
            TokenRequest("refresh_token", tokens["refresh_token"]),
            Credential("session", tokens["session_token"], cookie=True),
        ),
        *(
            Call("hasher", "verify", (None, PASSWORD)),
            issued.refresh_token,
            client.runner.run(client.parts.ports.keys.list()),
        ),
        Account(Subject("s"), EMAIL, account.password_hash, Instant(0)),
    ]
    for holder in holders:
        # A token is a string on its way out; only what shows it unasked must not.
        shown = repr(holder).encode() if isinstance(holder, str) else f"{holder!r} {holder!s} {holder}".encode()
        assert canaries_in(shown, PASSWORD, NEW_PASSWORD, SECRET, SERVICE, *tokens.values()) == [], type(holder)
        assert account.password_hash.encode() not in shown, type(holder)
        assert bytes(session.seed).hex().encode() not in shown, type(holder)
        assert repr(bytes(session.seed))[2:-1].encode() not in shown, type(holder)


def test_an_answer_shows_no_token_in_a_log(client: RawClient) -> None:
    answer = client.login(email=EMAIL, password=PASSWORD)
    from keyturn.web.schemas import IssuedResponse

    document = msgspec.json.decode(answer.body, type=IssuedResponse)
    assert canaries_in(repr(document).encode(), answer.json["refresh_token"], answer.json["access_token"]) == []


def test_no_refusal_carries_the_presented_credential(client: RawClient) -> None:
    """Check exceptions with their chained causes, as a traceback prints them."""
    answer = client.login(email=EMAIL, password=PASSWORD)
    good = [answer.cookies["__Host-kt_session"], answer.json["refresh_token"], answer.json["access_token"]]
    calls = [lambda token=each: client.issuer.verify(token[:-4] + "AAAA") for each in good]
    calls += [lambda token=each: client.issuer.refresh(token + "A") for each in good]
    calls += [
        lambda: client.issuer.login(EMAIL, WRONG),
        lambda: client.issuer.login(PASSWORD, WRONG),
        lambda: client.issuer.signup("new@example.com", "canary"),
        lambda: client.issuer.signup(EMAIL, WRONG),
        lambda: client.issuer.signup("new@example.com", WRONG, claims={"password": PASSWORD}),
        lambda: client.issuer.login(EMAIL, PASSWORD, claims={"card": "4111 1111 1111 1111", "x": PASSWORD}),
        lambda: client.issuer.step_up(SessionId(answer.json["sid"]), WRONG),
    ]
    for call in calls:
        with pytest.raises(errors.Refusal) as caught:
            client.runner.run(run_async(call))
        said = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
        said = re.sub(r'File ".*?\n.*?\n', "", said)  # the source of this very test is no leak
        assert (
            canaries_in(said.encode(), PASSWORD, WRONG, SECRET, *good, *[each.rpartition(".")[2] for each in good])
            == []
        )


async def run_async(call: object) -> object:
    return await call()  # type: ignore[operator]


@pytest.mark.parametrize("human", [True, False])
def test_whatever_else_goes_wrong_prints_no_local_variable_and_no_credential(
    client: RawClient, human: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    token = client.login(email=EMAIL, password=PASSWORD).cookies["__Host-kt_session"]
    kept = logging.getLogger().handlers, logging.getLogger().level
    try:
        configure_logs("DEBUG", human=human)
        fail(PASSWORD, token)
    finally:
        logging.getLogger().handlers, logging.getLogger().level = kept
    said = capsys.readouterr().err
    assert "something broke" in said
    assert canaries_in(said.encode(), PASSWORD, token, token.rpartition(".")[2]) == []


def fail(password: str, token: str) -> None:
    try:
        library(password, token)
    except RuntimeError:
        logging.getLogger("some.library").exception("something broke with %s", token)


def library(password: str, token: str) -> None:
    raise RuntimeError(f"a library quotes {token} in its message: {len(password)}")
