"""``examples/sqlalchemy_app`` by the commands of its README: customers in a table of the shop."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text
from werkzeug.security import generate_password_hash

from examples.running import App, commands_of, running

PASSWORD = "violet umbrella 7 o clock"
SERVE, CALLS = commands_of("sqlalchemy_app")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sqlalchemy_app") / "shop.db"


@pytest.fixture(scope="module")
def app(shop: Path) -> Iterator[App]:
    with running(SERVE, shop.with_name("data"), SHOP=f"sqlite:///{shop}") as started:
        yield started


@pytest.fixture(scope="module")
def table(app: App, shop: Path) -> Iterator[Engine]:
    """Open the shop's database, as another part of the shop does."""
    engine = create_engine(f"sqlite:///{shop}")
    yield engine
    engine.dispose()


def run(table: Engine, statement: str, **values: object) -> None:
    with table.begin() as connection:
        connection.execute(text(statement), values)


def hash_of(table: Engine, email: str) -> str:
    with table.connect() as connection:
        query = text("select hashed_password from customers where email = :email")
        return str(connection.execute(query, {"email": email}).scalar_one())


@contextmanager
def entered(app: App, path: str, email: str) -> Iterator[httpx.Client]:
    """Sign a browser up, or log it in."""
    with httpx.Client(base_url=app.url, timeout=30) as browser:
        account = {"email": email, "password": PASSWORD, "deliver": "cookie"}
        browser.post(f"/auth/{path}", json=account).raise_for_status()
        yield browser


def test_the_commands_of_the_readme_show_the_row_of_a_customer(app: App, tmp_path: Path) -> None:
    command = CALLS.replace("http://127.0.0.1:8000", app.url)
    done = subprocess.run(["sh", "-ec", command], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    answers = json.loads("[" + done.stdout.replace("}{", "},{") + "]")
    assert answers[0]["subject"] == "1"
    assert answers[1:] == [{"points": 10}, {"email": "iris@example.com", "points": 10}]


def test_a_customer_with_the_hash_of_other_software_logs_in(app: App, table: Engine) -> None:
    row = {"email": "hedy@example.com", "hash": generate_password_hash(PASSWORD)}
    run(table, "insert into customers (email, hashed_password, is_active, points) values (:email, :hash, 1, 70)", **row)
    with entered(app, "login", "hedy@example.com") as browser:
        assert hash_of(table, "hedy@example.com").startswith("$argon2id$")
        assert browser.get("/me").json() == {"email": "hedy@example.com", "points": 70}


@pytest.mark.parametrize("change", ["update customers set is_active = 0", "delete from customers"])
def test_a_customer_whom_the_shop_changes_is_logged_out(app: App, table: Engine, change: str) -> None:
    email = f"mae{len(change)}@example.com"
    with entered(app, "signup", email) as browser:
        assert browser.get("/me").status_code == 200
        run(table, f"{change} where email = :email", email=email)
        assert browser.get("/me").json()["code"] == "token_revoked"


def test_the_document_has_the_routes_of_the_shop_and_the_endpoints(app: App) -> None:
    paths = httpx.get(f"{app.url}/openapi.json").json()["paths"]
    assert {"/me", "/orders", "/auth/login", "/auth/logout-all"} <= set(paths)
