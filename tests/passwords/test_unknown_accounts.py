"""Unknown accounts cost what a hash of the table costs (CWE-208)."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keyturn import Issuer
from keyturn.core.account import Account
from keyturn.core.types import EPOCH, Subject
from keyturn.errors import LoginFailed
from keyturn.passwords import Argon2Hasher, Argon2Parameters, HashTable
from keyturn.passwords.argon2_hash import Argon2Hash
from keyturn.passwords.formats import BcryptHash, Pbkdf2Hash, ScryptHash, StoredHash, parse_hash
from keyturn.passwords.unknown_accounts import UnknownAccounts
from keyturn.ports import PasswordCheck

VECTORS = json.loads((Path(__file__).with_name("vectors.json")).read_text())
ENCODED = [each["encoded"] for each in VECTORS["hashes"]]
DJANGO, BCRYPT = "pbkdf2_sha256$1000$salt$" + "A" * 43 + "=", "$2b$04$TGR6i..1FvDFsTAIILR0nO" + "a" * 31
CURRENT = Argon2Hash(Argon2Parameters(8, 1), bytes(16), bytes(32))
PEOPLE = [f"{number}@example.com" for number in range(2000)]


@contextmanager
def recorded_costs() -> Iterator[list[str]]:
    """Record the cost of each computed hash, and compute it."""
    costs = list[str]()
    with pytest.MonkeyPatch.context() as patch:
        for kind in (Argon2Hash, Pbkdf2Hash, ScryptHash, BcryptHash):

            def record(self: StoredHash, password: bytes, compute: Any = kind.compute) -> bytes:
                costs.append(self.cost)
                return bytes(compute(self, password))

            patch.setattr(kind, "compute", record)
        yield costs


def choices(samples: list[str], key: bytes = b"key") -> dict[str, str]:
    unknown = UnknownAccounts(CURRENT, samples, key)
    return {each: unknown.choose(each).cost for each in PEOPLE}


def test_costs_of_unknown_accounts_have_the_shares_of_the_table() -> None:
    counted = Counter(choices([DJANGO] * 3 + [BCRYPT]).values())
    assert set(counted) == {"pbkdf2 sha256 1000", "bcrypt 04"}
    assert 0.70 < counted["pbkdf2 sha256 1000"] / len(PEOPLE) < 0.80


def test_one_identifier_has_one_cost_and_the_key_decides() -> None:
    samples = [DJANGO, BCRYPT]
    assert choices(samples) == choices(samples[::-1])
    assert choices(samples) != choices(samples, b"another key")


def test_an_upgrade_of_the_table_moves_identifiers_to_the_upgraded_cost_only() -> None:
    before, after = choices([DJANGO] * 9 + [BCRYPT]), choices([DJANGO] * 5 + [BCRYPT] * 5)
    moved = {(before[each], after[each]) for each in PEOPLE if before[each] != after[each]}
    assert moved == {("pbkdf2 sha256 1000", "bcrypt 04")}


def test_a_table_without_usable_hashes_costs_a_current_hash() -> None:
    assert set(choices(["", "!", "md5$salt$abc"]).values()) == {CURRENT.cost}


def test_an_unknown_account_computes_one_hash_of_the_cost_that_was_chosen() -> None:
    hasher = Argon2Hasher(CURRENT.parameters, threads=1, table=HashTable(samples=[DJANGO, BCRYPT], key=b"key"))
    expected = choices([DJANGO, BCRYPT])
    with recorded_costs() as costs:
        for identifier in PEOPLE[:20]:
            for encoded in (None, "!", "md5$salt$abc"):
                assert hasher.verify(encoded, "guess", identifier) == PasswordCheck(matches=False)
    assert costs == [expected[each] for each in PEOPLE[:20] for _ in range(3)]
    hasher.close()


@pytest.mark.parametrize("encoded", [DJANGO, BCRYPT, "scrypt:16:8:1$salt$" + "ab" * 64, CURRENT.encode()])
def test_an_imitation_costs_the_same_and_has_another_digest(encoded: str) -> None:
    stored = parse_hash(encoded)
    assert stored is not None
    imitation = stored.imitate()
    assert imitation.cost == stored.cost
    assert len(imitation.compute(b"guess")) == len(imitation.digest)
    assert imitation.compute(b"guess") != imitation.digest


def test_an_issuer_upgrades_a_hash_of_other_software_and_samples_its_table(tmp_path: Path) -> None:
    settings = {"data_dir": str(tmp_path), "store": f"sqlite:///{tmp_path}/keyturn.db", "background": False}
    digest = hashlib.pbkdf2_hmac("sha256", b"violet umbrella 7 o clock", b"salt", 1000)
    encoded = f"pbkdf2_sha256$1000$salt${base64.b64encode(digest).decode()}"
    with Issuer.from_env(**settings) as issuer:
        issuer.parts.ports.accounts.insert(Account(Subject("s"), "ada@example.com", encoded, EPOCH))
    with Issuer.from_env(**settings) as issuer, recorded_costs() as costs:
        with pytest.raises(LoginFailed):
            issuer.login("bob@example.com", "violet umbrella 7 o clock")
        assert costs == ["pbkdf2 sha256 1000"]
        session = issuer.login("ada@example.com", "violet umbrella 7 o clock").session_token
        upgraded = issuer.parts.ports.accounts.find("ada@example.com")
        assert upgraded is not None
        assert upgraded.password_hash.startswith("$argon2id$")
        assert session is not None
        assert issuer.verify(session.reveal()).subject == "s"
