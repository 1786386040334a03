"""Settings from the environment, from files and from keyturn.toml. All errors are reported together."""

from pathlib import Path

import pytest

from keyturn.config.issuer_config import build_issuer_config, build_profile
from keyturn.config.settings import FORMER_NAMES, Settings, read_settings, split_list
from keyturn.errors import ConfigurationError

SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"


def problems(environ: dict[str, str], **explicit: object) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as wrong:
        read_settings(environ, **explicit)
    return wrong.value.problems


def test_the_stronger_source_wins(tmp_path: Path) -> None:
    (tmp_path / "keyturn.toml").write_text('profile = "mobile"\naccess_token_seconds = 120\nalgorithm = "ES256"\n')
    environ = {"KEYTURN_ACCESS_TOKEN_SECONDS": "180", "KEYTURN_ALGORITHM": "EdDSA", "PATH": "/bin"}
    settings = read_settings(environ, data_dir=str(tmp_path), algorithm="RS256", environment=None)
    assert (settings.profile, settings.access_token_seconds, settings.algorithm) == ("mobile", 180, "RS256")
    assert settings.environment == "development"


def test_the_settings_file_is_read_from_the_data_dir_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "keyturn.toml").write_text('profile = "banking"\n')
    assert read_settings({"KEYTURN_DATA_DIR": str(tmp_path)}).profile == "banking"


def test_an_empty_variable_is_none_at_all() -> None:
    assert read_settings({"KEYTURN_ISSUER": "", "KEYTURN_ACCESS_TOKEN_SECONDS": ""}) == Settings()


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "it").write_text(SECRET + "\n")
    assert read_settings({"KEYTURN_SECRET_FILE": str(tmp_path / "it")}).secret == SECRET


def test_a_setting_and_its_file_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "it").write_text(SECRET)
    both = {"KEYTURN_SECRET": SECRET, "KEYTURN_SECRET_FILE": str(tmp_path / "it")}
    assert problems(both) == ("KEYTURN_SECRET and KEYTURN_SECRET_FILE are both set; unset one of them",)


def test_all_invalid_settings_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "keyturn.toml").write_text('policie = "mobile"\nkey_publish_ahead_seconds = "soon"\n')
    environ = {
        "KEYTURN_ACCES_SECONDS": "60",
        "KEYTURN_KEY_LIFETIME_SECONDS": "ten",
        "KEYTURN_ENVIRONMENT": "prod",
        "KEYTURN_SECRET_FILE": str(tmp_path / "nothing"),
    }
    said = problems(environ, data_dir=str(tmp_path))
    for name in (
        "KEYTURN_ACCES_SECONDS",
        "key_lifetime_seconds",
        "environment",
        "nothing",
        "policie",
        "key_publish_ahead",
    ):
        assert sum(name in each for each in said) == 1, (name, said)
    assert len(said) == 6


@pytest.mark.parametrize("text", ["= nonsense", "\x00", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / "keyturn.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (said,) = problems({}, data_dir=str(tmp_path))
    assert "keyturn.toml is not valid TOML" in said


def test_a_file_that_cannot_be_opened_is_not_called_invalid(tmp_path: Path) -> None:
    (tmp_path / "keyturn.toml").mkdir()
    (said,) = problems({}, data_dir=str(tmp_path))
    assert said == f"{tmp_path / 'keyturn.toml'} cannot be read: Is a directory"


def test_no_secret_shows_in_a_repr() -> None:
    settings = Settings(
        secret=SECRET, service_token=SECRET, secret_previous=SECRET, store=f"postgresql://u:{SECRET}@h/d"
    )
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)


def test_words_are_separated_by_commas() -> None:
    assert split_list(" a, b ,,c ") == ("a", "b", "c")
    assert split_list("") == ()


def test_single_figures_override_the_named_policy() -> None:
    settings = Settings(
        profile="mobile",
        refresh_grace_seconds=0,
        refresh_lost_response_seconds=0,
        refresh_repeat_limit=5,
        refresh_repeat_action="step_up",
        session_limit_per_account=7,
        session_limit_action="refuse",
        access_token_seconds=90,
        login_limit_per_account=3,
        password_min_length=20,
    )
    profile = build_profile(settings)
    assert (profile.session.grace_seconds, profile.token.access_seconds) == (0, 90)
    assert (profile.throttle.account_limit, profile.password.minimum) == (3, 20)
    session = profile.session
    assert (session.lost_response_seconds, session.repeat_limit, session.repeat_action) == (0, 5, "step_up")
    assert (session.session_limit, session.session_limit_action) == (7, "refuse")
    assert profile.session.overall_seconds == build_profile(Settings(profile="mobile")).session.overall_seconds


@pytest.mark.parametrize("number", [-2, 501])
def test_an_unusable_limit_of_sessions_is_reported_by_the_name_of_its_setting(number: int) -> None:
    with pytest.raises(ConfigurationError) as refused:
        build_profile(Settings(session_limit_per_account=number))
    assert refused.value.problems == ("session_limit_per_account must be between 0 and 500",)


def test_cookies_are_secure_wherever_the_issuer_is() -> None:
    assert build_profile(Settings(issuer="https://auth.example.com")).cookie.name("session") == "__Host-kt_session"
    assert build_profile(Settings(issuer="http://localhost:8000")).cookie.name("session") == "kt_session"


def test_the_cookie_prefix_stands_after_that_of_the_scheme() -> None:
    for scheme, name in (("https", "__Host-shop_session"), ("http", "shop_session")):
        settings = Settings(issuer=f"{scheme}://localhost", profile="banking", cookie_prefix="shop_")
        assert build_profile(settings).cookie.name("session") == name
        assert build_profile(settings).cookie.csrf_token


def test_an_unusable_cookie_prefix_is_reported_by_the_name_of_the_setting() -> None:
    with pytest.raises(ConfigurationError) as wrong:
        build_profile(Settings(issuer="https://localhost", cookie_prefix="__Host-shop_"))
    (said,) = wrong.value.problems
    assert said.startswith("cookie_prefix must be 1 to 32 characters of A-Z, a-z, 0-9, _ and -, the first a letter;")
    assert "__Host-shop_" in said


def test_all_invalid_policy_settings_are_reported_together() -> None:
    wrong = Settings(
        secret="short",
        issuer="http://x",
        refresh_grace_seconds=301,
        refresh_lost_response_seconds=86_401,
        refresh_repeat_limit=1001,
        access_token_seconds=3,
        login_limit_per_account=101,
        password_min_length=7,
    )
    with pytest.raises(ConfigurationError) as refused:
        build_issuer_config(wrong)
    for name in (
        "KEYTURN_SECRET",
        "refresh_grace_seconds",
        "access_token_seconds",
        "login_limit_per_account",
        "password_min",
    ):
        assert sum(name in each for each in refused.value.problems) == 1, name
    with pytest.raises(ConfigurationError, match="profile must be one of"):
        build_profile(Settings(profile="relaxed"))


@pytest.mark.parametrize(("former", "now"), FORMER_NAMES.items())
def test_a_former_name_is_refused_with_the_new_one(tmp_path: Path, former: str, now: str) -> None:
    variable = f"KEYTURN_{former.upper()}"
    assert problems({variable: "1"}) == (f"{variable} is now KEYTURN_{now.upper()}",)
    assert problems({f"{variable}_FILE": "x"}) == (f"{variable}_FILE is now KEYTURN_{now.upper()}_FILE",)
    (tmp_path / "keyturn.toml").write_text(f"{former} = 1\n")
    assert problems({}, data_dir=str(tmp_path)) == (f"{former} is now {now} (keyturn.toml)",)


@pytest.mark.parametrize("environment", ["development", "production"])
def test_the_former_meaning_of_profile_is_refused_with_environment(tmp_path: Path, environment: str) -> None:
    (said,) = problems({"KEYTURN_PROFILE": environment})
    assert f"KEYTURN_ENVIRONMENT={environment}" in said
    (tmp_path / "keyturn.toml").write_text(f'profile = "{environment}"\n')
    (said,) = problems({}, data_dir=str(tmp_path))
    assert f"environment={environment}" in said


def test_an_empty_file_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / "it").write_text("\n")
    assert problems({"KEYTURN_SECRET_FILE": str(tmp_path / "it")}) == (f"{tmp_path / 'it'} is empty",)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"algorithm": "none"}, "algorithm must be one of"),
        ({"algorithm": "rs256"}, "algorithm must be one of"),
        ({"password_min_length": 1000}, "password_min_length must be at most 256"),
        ({"issuer": "https://ada:secret@auth.example.com"}, "without query, fragment, user or space"),
        ({"issuer": "https://auth.example.com "}, "without query, fragment, user or space"),
    ],
)
def test_an_unusable_issuer_setting_is_refused_at_start_up(wrong: dict[str, str], said: str) -> None:
    good = {"issuer": "https://auth.example.com", "audience": "orders", "secret": SECRET}
    assert build_issuer_config(Settings(**good))
    with pytest.raises(ConfigurationError, match=said):
        build_issuer_config(Settings(**{**good, **wrong}))


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("KEYTURN_PROFIL", "; did you mean KEYTURN_PROFILE?"),
        ("KEYTURN_POLCY", "; did you mean KEYTURN_PROFILE?"),
        ("KEYTURN_QQQQ", ""),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_most_similar_name(variable: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_settings({variable: "x"})
    assert refused.value.problems == (f"{variable} is not a setting{hint}",)
