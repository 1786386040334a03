"""A data directory of November 2026, made before settings had their present names, is opened and its sessions go on.

``november_2026/`` was written by the version before the renaming: the database as SQL, and credentials in issued.json.
"""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from keyturn import Issuer
from keyturn.config.settings import FORMER_NAMES
from keyturn.errors import ConfigurationError, TokenReused, TokenRevoked

SAVED = Path(__file__).with_name("november_2026")
ISSUED: dict[str, Any] = json.loads((SAVED / "issued.json").read_text())
EXPLICIT = {"issuer": "https://login.example.com", "audience": "orders"}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "keyturn-data"
    folder.mkdir(mode=0o700)
    for name in ("keyturn.toml", "secret", "service-token"):
        shutil.copy(SAVED / name, folder / name)
        (folder / name).chmod(0o600)
    with closing(sqlite3.connect(folder / "keyturn.db")) as database:
        database.executescript((SAVED / "keyturn.sql").read_text())
    return folder


@pytest.fixture
def issuer(data_dir: Path) -> Iterator[Issuer]:
    """Open the issuer of that directory one minute later, with the present names of its settings."""
    settings = data_dir / "keyturn.toml"
    settings.write_text(
        re.sub(r"^\w+", lambda name: FORMER_NAMES.get(name[0], name[0]), settings.read_text(), flags=re.M)
    )
    with Issuer.from_env(
        clock=lambda: ISSUED["now"] + 60, background=False, data_dir=str(data_dir), **EXPLICIT
    ) as found:
        yield found


def test_a_former_name_in_a_settings_file_is_refused_with_the_present_one(data_dir: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Issuer.from_env(data_dir=str(data_dir), **EXPLICIT)
    former = re.findall(r"^\w+", (data_dir / "keyturn.toml").read_text(), re.MULTILINE)
    named = [each for each in former if each in FORMER_NAMES]
    assert len(named) == len(refused.value.problems) == 7
    for name, problem in zip(sorted(named), sorted(refused.value.problems), strict=True):
        assert problem.startswith(f"{name} is now {FORMER_NAMES[name]}")


def test_settings_under_their_present_names_apply(issuer: Issuer) -> None:
    profile = issuer.parts.config.profile
    assert (profile.name, profile.token.access_seconds, profile.token.staleness_seconds) == ("browser-strict", 900, 4)


@pytest.mark.parametrize("credential", ["session", "access"])
def test_a_credential_goes_on(issuer: Issuer, credential: str) -> None:
    principal = issuer.verify(ISSUED["live"][credential])
    assert (principal.sid, principal.subject) == (ISSUED["live"]["sid"], ISSUED["subject"])


def test_a_refresh_token_goes_on(issuer: Issuer) -> None:
    issued = issuer.refresh(ISSUED["live"]["refresh"])
    assert issued.access_token is not None
    assert issuer.verify(issued.access_token).sid == ISSUED["live"]["sid"]


@pytest.mark.parametrize("credential", ["session", "access"])
def test_a_revoked_session_stays_revoked(issuer: Issuer, credential: str) -> None:
    with pytest.raises(TokenRevoked):
        issuer.verify(ISSUED["ended"][credential])


def test_reuse_of_a_refresh_token_is_detected(issuer: Issuer) -> None:
    with pytest.raises(TokenReused):
        issuer.refresh(ISSUED["rotated"]["retired"])
    with pytest.raises(TokenRevoked):
        issuer.refresh(ISSUED["rotated"]["refresh"])


def test_a_lost_response_is_assumed_only_of_rotations_since_the_upgrade(data_dir: Path) -> None:
    """The version before recorded no use of a successor: its retired tokens stay reuse under the profile mobile."""
    (data_dir / "keyturn.toml").unlink()
    now = [ISSUED["now"] + 600]
    clocks: Any = {"clock": lambda: now[0], "monotonic": lambda: now[0]}
    with Issuer.from_env(**clocks, background=False, data_dir=str(data_dir), profile="mobile", **EXPLICIT) as found:
        with pytest.raises(TokenReused):
            found.refresh(ISSUED["rotated"]["retired"])
        lost = found.refresh(ISSUED["live"]["refresh"])
        now[0] += 3600
        assert found.refresh(ISSUED["live"]["refresh"]).refresh_token == lost.refresh_token


def test_the_password_and_the_list_of_sessions_go_on(issuer: Issuer) -> None:
    issued = issuer.login("ada@example.com", ISSUED["password"])
    live = {each.sid for each in issuer.sessions(ISSUED["subject"])}
    assert live == {ISSUED["live"]["sid"], ISSUED["rotated"]["sid"], issued.sid}
