"""Neither a stolen store nor the secret alone is enough to make a credential (promise P7).

Sources: CWE-522, CWE-916, CWE-312, OWASP ASVS 5.0 11.2 and 13.3, RFC 9700 section 4.14 (refresh tokens are not kept
in the clear). The thief has a copy of the SQLite file, or the secret out of a leaked environment; never both.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from keyturn import Issuer
from keyturn.config.settings import Settings
from keyturn.core.sealed import CredentialKind, Secrets, parse, seal
from keyturn.core.session import Seed
from keyturn.core.throttle import sign_device_cookie, verify_device_cookie
from keyturn.core.types import SessionId
from keyturn.errors import ConfigurationError, LoginFailed, Refusal
from keyturn.flows import IssuedCredentials
from keyturn.tokens import KeyEncryptor, SigningKey, sign_compact

SECRET = "3c9f1f6b7de24a70b59d1e8a6c0f42d7e1b8a94c5d3f2076"
GUESSED = "9a0e4d5c7b8f1a2d3e6c5b4a7980f1e2d3c4b5a697887766"
EMAIL, PASSWORD = "ada@example.com", "a bicycle made of rain"
URL = "https://auth.example.com"


def settings(path: Path, secret: str) -> Settings:
    return Settings(
        issuer=URL, audience=URL, store=f"sqlite:///{path}", secret=secret, service_token="0" * 32, algorithm="ES256"
    )


@dataclass
class Crime:
    owner: Issuer
    issued: IssuedCredentials
    copy: Path

    @property
    def rows(self) -> dict[str, list[dict[str, object]]]:
        """All the thief can read."""
        store = sqlite3.connect(self.copy)
        store.row_factory = sqlite3.Row
        try:
            tables = [row[0] for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: [dict(row) for row in store.execute(f"SELECT * FROM {name}")] for name in tables}
        finally:
            store.close()


@pytest.fixture
def crime(tmp_path: Path) -> Iterator[Crime]:
    path = tmp_path / "keyturn.db"
    with Issuer.open(settings(path, SECRET), background=False) as owner:
        issued = owner.signup(EMAIL, PASSWORD, deliver="both")
        copy = tmp_path / "copy.db"
        with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()
        yield Crime(owner, issued, copy)


def credentials(issued: IssuedCredentials) -> list[str]:
    tokens = (issued.session_token, issued.refresh_token, issued.access_token, issued.csrf_token, issued.device_token)
    return [token.reveal() for token in tokens if token is not None]


def refused(issuer: Issuer, credential: str) -> bool:
    for use in (issuer.verify, issuer.refresh):
        try:
            use(credential)
        except Refusal:
            continue
        return False
    return issuer.introspect(credential) == {"active": False}


def test_no_stored_value_is_accepted_as_a_credential(crime: Crime) -> None:
    for table in crime.rows.values():
        for row, value in [(each, value) for each in table for value in each.values()]:
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            assert refused(crime.owner, text), row
            for prefix, suffix in product(("kt_session_", "kt_refresh_", "Bearer ", "eyJ"), ("", ".0." + "A" * 52)):
                assert refused(crime.owner, prefix + text + suffix), row
            with pytest.raises(Refusal):
                crime.owner.login(EMAIL, text)


def test_a_stolen_store_does_not_open_with_another_secret(crime: Crime) -> None:
    """The signing keys are sealed: a server started on the copy cannot even serve."""
    with pytest.raises(ConfigurationError):
        Issuer.open(settings(crime.copy, GUESSED), background=False)


def test_a_credential_made_from_a_stolen_seed_is_refused(crime: Crime) -> None:
    row = crime.rows["sessions"][0]
    seed, sid = Seed(row["seed"]), SessionId(str(row["sid"]))  # type: ignore[arg-type]  # bytes, as stored
    for kind, secret in product(
        (CredentialKind.SESSION, CredentialKind.REFRESH), (GUESSED.encode(), bytes(32), bytes(seed))
    ):
        forged = seal(kind, sid, 0, seed, Secrets(secret)).reveal()
        assert refused(crime.owner, forged)
    # The seed is the right one: with the secret as well, it would have been the very same token.
    assert seal(CredentialKind.SESSION, sid, 0, seed, Secrets(SECRET.encode())).reveal() == credentials(crime.issued)[0]


def test_tokens_signed_with_new_keys_over_a_copied_store_are_refused(crime: Crime) -> None:
    with sqlite3.connect(crime.copy) as store:
        store.execute("DELETE FROM signing_keys")
    store.close()
    with Issuer.open(settings(crime.copy, GUESSED), background=False) as thief:
        # Only guessing passwords is left, at the cost of argon2id.
        forged = thief.login(EMAIL, PASSWORD, deliver="both")
        for credential in credentials(forged):
            assert refused(crime.owner, credential)
        for credential in credentials(crime.issued):
            assert refused(thief, credential)


@pytest.mark.conforms("ASVS 11.3.3")
def test_the_sealed_signing_keys_do_not_open(crime: Crime) -> None:
    row = crime.rows["signing_keys"][0]
    sealed, kid = row["sealed"], str(row["kid"])
    assert isinstance(sealed, bytes)
    for secret in (GUESSED.encode(), bytes(32), SECRET[:-1].encode() + b"0"):
        with pytest.raises(ConfigurationError):
            KeyEncryptor(secret).decrypt_key(sealed, kid=kid)
    with pytest.raises(ConfigurationError):
        KeyEncryptor(SECRET.encode()).decrypt_key(sealed, kid=kid + "0")
    assert KeyEncryptor(SECRET.encode()).decrypt_key(sealed, kid=kid).kid == kid


def test_a_signing_key_planted_in_the_store_is_not_used(crime: Crime, tmp_path: Path) -> None:
    """The thief can write as well: a row of his own among the keys must not verify his tokens, nor be used to sign."""
    mine = SigningKey.generate("ES256", "2-planted")
    sealed = KeyEncryptor(GUESSED.encode()).encrypt_key(mine, nonce=bytes(12))
    written = tmp_path / "written.db"
    shutil.copy(crime.copy, written)
    with sqlite3.connect(written) as store:
        store.execute("INSERT INTO signing_keys VALUES ('2-planted', 'ES256', 2, 0, ?)", (sealed,))
    store.close()
    with pytest.raises(ConfigurationError):
        Issuer.open(settings(written, SECRET), background=False)
    assert refused(crime.owner, sign_compact(b'{"iss": "https://auth.example.com"}', mine, "at+jwt"))


def test_a_sealed_key_cannot_be_moved_to_another_row(crime: Crime) -> None:
    """An old key, leaked and withdrawn, put back under a new name: the kid is sealed in."""
    with sqlite3.connect(crime.copy) as store:
        store.execute("UPDATE signing_keys SET kid = '9-renamed', serial = 9")
    store.close()
    with pytest.raises(ConfigurationError):
        Issuer.open(settings(crime.copy, SECRET), background=False)


def test_a_credential_made_from_the_secret_alone_is_refused(crime: Crime, tmp_path: Path) -> None:
    sid = crime.issued.session.sid
    secrets = Secrets(SECRET.encode())
    # HKDF reads an absent salt as zeros (RFC 5869 section 2.2): no seed and a seed of zeros make one credential.
    for kind, seed, counter in product(
        (CredentialKind.SESSION, CredentialKind.REFRESH), (bytes(32), SECRET.encode()[:32]), (0, 1)
    ):
        forged = seal(kind, sid, counter, Seed(seed), secrets).reveal()
        # The tag is good: it only spares the store garbage. It opens nothing.
        assert parse(forged, kind, secrets).sid == sid
        assert refused(crime.owner, forged)
    with Issuer.open(settings(tmp_path / "own.db", SECRET), background=False) as thief:
        thief.signup(EMAIL, PASSWORD, deliver="both")
        for credential in credentials(thief.login(EMAIL, PASSWORD, deliver="both")):
            assert refused(crime.owner, credential)
        for credential in credentials(crime.issued):
            assert refused(thief, credential)


def test_a_refused_forgery_does_not_end_the_session(crime: Crime) -> None:
    secrets, sid = Secrets(SECRET.encode()), crime.issued.session.sid
    for counter in (0, 1, 7):
        with pytest.raises(Refusal):
            crime.owner.refresh(seal(CredentialKind.REFRESH, sid, counter, Seed(bytes(32)), secrets).reveal())
    session, refresh = credentials(crime.issued)[:2]
    assert crime.owner.verify(session).sid == sid
    assert crime.owner.refresh(refresh).session.sid == sid


def test_a_device_cookie_forged_with_the_secret_opens_no_account(crime: Crime) -> None:
    """What the secret alone can make: a device mark. It only chooses which bucket counts the guesses."""
    key = Secrets.derive(SECRET.encode(), b"device")
    device = sign_device_cookie(EMAIL, bytes(16), key)
    assert verify_device_cookie(device, EMAIL, key) == bytes(16)
    with pytest.raises(LoginFailed):
        crime.owner.login(EMAIL, "not the right words", device=device)
    assert refused(crime.owner, device)


def test_a_stolen_password_hash_is_refused_as_a_password(crime: Crime) -> None:
    encoded = str(crime.rows["accounts"][0]["password_hash"])
    assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    with pytest.raises(LoginFailed):
        crime.owner.login(EMAIL, encoded)


def test_the_old_secret_is_honoured_only_while_it_is_named(crime: Crime, tmp_path: Path) -> None:
    session = credentials(crime.issued)[0]
    fresh = "f00dfeed7de24a70b59d1e8a6c0f42d7e1b8a94c5d3f2076"
    rolled = Settings(
        issuer=URL,
        audience=URL,
        store=f"sqlite:///{crime.copy}",
        secret=fresh,
        secret_previous=SECRET,
        service_token="0" * 32,
        algorithm="ES256",
    )
    with Issuer.open(rolled, background=False) as issuer:
        assert issuer.verify(session).sid == crime.issued.session.sid
