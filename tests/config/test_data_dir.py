"""The data directory: missing files are created once with mode 0600, and not in production."""

import subprocess
import sys
from pathlib import Path

import pytest

from keyturn.config.data_dir import complete_settings, create_missing
from keyturn.config.settings import Settings
from keyturn.errors import ConfigurationError

URL = "http://127.0.0.1:8000"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_fresh_machine_gets_a_folder_and_secrets_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    made = create_missing(Settings(data_dir=str(folder)), URL)
    assert mode(folder) == 0o700
    assert {path.name: mode(path) for path in folder.iterdir()} == {"secret": 0o600, "service-token": 0o600}
    assert len(made.lines) == 3
    settings = made.settings
    assert len(settings.secret) == len(settings.service_token) == 64
    assert settings.secret != settings.service_token
    assert not any(settings.secret in line or settings.service_token in line for line in made.lines)
    assert (settings.issuer, settings.audience) == (URL, URL)
    assert settings.store == f"sqlite:///{folder}/keyturn.db"


def test_a_second_start_uses_the_created_files(tmp_path: Path) -> None:
    first, again = (create_missing(Settings(data_dir=str(tmp_path / "data")), URL) for _ in range(2))
    assert again.settings == first.settings
    assert again.lines == ()


def test_configured_secrets_are_not_created(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), secret="s" * 32, service_token="t" * 32, issuer="https://a.example")
    made = create_missing(settings, URL)
    assert (made.settings.secret, made.settings.audience) == ("s" * 32, "https://a.example")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("readable", [0o640, 0o604, 0o660])
def test_a_secret_others_may_read_is_refused(tmp_path: Path, readable: int) -> None:
    create_missing(Settings(data_dir=str(tmp_path / "data")), URL)
    (tmp_path / "data" / "secret").chmod(readable)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        create_missing(Settings(data_dir=str(tmp_path / "data")), URL)


def test_a_folder_that_cannot_be_used_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        create_missing(Settings(data_dir=str(tmp_path / "file")), URL)


def test_processes_that_start_at_once_make_one_secret(tmp_path: Path) -> None:
    program = (
        "import sys; from keyturn.config.data_dir import create_missing; from keyturn.config.settings import Settings;"
        "sys.stdin.read(); print(create_missing(Settings(data_dir=sys.argv[1]), 'http://x').settings.secret)"
    )
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "data")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for each in crowd:
        assert each.stdin is not None
        each.stdin.close()
    said = []
    for each in crowd:
        assert each.stdout is not None
        assert each.stderr is not None
        said.append(each.stdout.read().strip() or each.stderr.read())
        each.wait(30)
        each.stdout.close()
        each.stderr.close()
    assert set(said) == {(tmp_path / "data" / "secret").read_text()}
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"secret", "service-token"}


def test_production_creates_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        complete_settings(Settings(environment="production", data_dir=str(tmp_path / "data")), URL)
    assert not (tmp_path / "data").exists()


def test_a_world_writable_data_directory_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ConfigurationError, match="writable by every user"):
        create_missing(Settings(data_dir=str(folder)), URL)
    assert list(folder.iterdir()) == []
    # With the sticky bit, as /tmp: users cannot delete files of others.
    folder.chmod(0o1777)
    assert create_missing(Settings(data_dir=str(folder)), URL).settings.secret
