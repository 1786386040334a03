"""Accounts in SQLAlchemy tables and models, with integers, UUIDs and text as keys."""

import asyncio
import uuid
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, Uuid, create_engine, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from accounts.own_accounts import OTHER, PASSWORD, hash_password
from keyturn import AsyncIssuer, Issuer
from keyturn.accounts.sqlalchemy import AsyncSqlAlchemyAccounts, SqlAlchemyAccounts
from keyturn.errors import AccountExists, ConfigurationError, LoginFailed, TokenRevoked
from services.fixtures import Fresh

ADA = "ada@example.com"


class Base(DeclarativeBase):
    """Base of the models of an application."""


class User(Base):
    """A model as FastAPI Users has it."""

    __tablename__ = "user"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    email: Mapped[str] = mapped_column(unique=True)
    hashed_password: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)


def plain_table(kind: Any) -> Table:
    key = Column("key", kind, primary_key=True, default=None if kind is Integer else lambda: str(uuid.uuid4()))
    login = Column("login", String, unique=True)
    return Table("people", MetaData(), key, login, Column("secret", String), Column("on", Boolean, default=True))


COLUMNS = {"identifier": "login", "password_hash": "secret", "active": "on"}


@pytest.mark.parametrize(
    ("table", "columns"), [(User, {}), (plain_table(Integer), COLUMNS), (plain_table(String), COLUMNS)]
)
def test_accounts_in_a_table_or_model_log_in_and_end(table: Any, columns: dict[str, str], tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    accounts = SqlAlchemyAccounts(engine, table, **columns)
    accounts.table.metadata.create_all(engine)
    settings = {"data_dir": str(tmp_path), "store": "memory:", "background": False, "algorithm": "ES256"}
    with Issuer.from_env(accounts=accounts, **settings) as issuer:
        issued = issuer.signup(ADA, PASSWORD, deliver="both")
        assert issued.session_token is not None
        user = issuer.load_user(issued.subject)
        assert str(user[accounts.key.name]) == issued.subject
        with pytest.raises(AccountExists):
            issuer.signup(ADA, PASSWORD)
        changed = issuer.change_password(issued.sid, PASSWORD, OTHER, deliver="both")
        with pytest.raises(LoginFailed):
            issuer.login(ADA, PASSWORD)
        assert issuer.login(ADA, OTHER).subject == issued.subject
        assert accounts.password_hashes(5)[0].startswith("$argon2id$")
        active = columns.get("active", "is_active")
        with engine.begin() as connection:
            connection.execute(update(accounts.table).values({active: False}))
        assert changed.session_token is not None
        with pytest.raises(TokenRevoked):
            issuer.verify(changed.session_token.reveal())
        assert issuer.load_user(str(uuid.uuid4())) is None
    engine.dispose()


@pytest.mark.parametrize("is_told", [True, False])
def test_a_row_of_a_reused_key_is_another_account_by_its_creation(is_told: bool, tmp_path: Path) -> None:
    table = plain_table(Integer)
    table.append_column(Column("made", Integer, default=1))
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    accounts = SqlAlchemyAccounts(engine, table, **COLUMNS, **({"created_at": "made"} if is_told else {}))
    table.metadata.create_all(engine)
    settings = {"data_dir": str(tmp_path), "store": "memory:", "background": False, "algorithm": "ES256"}
    with Issuer.from_env(accounts=accounts, **settings) as issuer:
        signed_up = issuer.signup(ADA, PASSWORD)
        with engine.begin() as connection:  # single sign-on: no password tells the two apart
            connection.execute(update(table).values(secret=None))
        issued = issuer.open_session(signed_up.subject, deliver="cookie")
        assert issued.session_token is not None
        with engine.begin() as connection:
            connection.execute(update(table).values(made=2))
        issuer.check_account(issued.subject)
        with pytest.raises(TokenRevoked) if is_told else nullcontext():
            issuer.verify(issued.session_token.reveal())
    engine.dispose()


def test_a_swap_on_another_hash_stores_nothing(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    accounts = SqlAlchemyAccounts(engine, User)
    Base.metadata.create_all(engine)
    key, encoded = uuid.uuid4(), hash_password(PASSWORD)
    with engine.begin() as connection:
        connection.execute(insert(accounts.table).values(id=key, email=ADA, hashed_password=encoded))
    assert accounts.set_password(key, "new", "another") is False
    assert accounts.set_password(key, "new", encoded) is True
    assert accounts.find(ADA) == accounts.load(key)
    engine.dispose()


@pytest.mark.parametrize("columns", [{"identifier": "nothing"}, {"colour": "email"}])
def test_wrong_columns_are_a_configuration_error(columns: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="accounts in the table user"):
        SqlAlchemyAccounts(create_engine("sqlite://"), User, **columns)


def test_a_key_of_two_columns_is_a_configuration_error() -> None:
    keys = (Column("a", Uuid, primary_key=True), Column("b", Integer, primary_key=True))
    with pytest.raises(ConfigurationError, match="2 columns"):
        SqlAlchemyAccounts(create_engine("sqlite://"), Table("pairs", MetaData(), *keys))


def test_accounts_over_an_asynchronous_engine_log_in_and_end(fresh: Fresh, tmp_path: Path) -> None:
    engine = create_async_engine(fresh("postgresql+asyncpg"))
    accounts = AsyncSqlAlchemyAccounts(engine, User)
    asyncio.run(live_asynchronously(engine, accounts, str(tmp_path)))


async def live_asynchronously(engine: AsyncEngine, accounts: AsyncSqlAlchemyAccounts, folder: str) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    settings = {"data_dir": folder, "store": "memory:", "background": False, "algorithm": "ES256"}
    async with AsyncIssuer.from_env(accounts=accounts, **settings) as issuer:
        issued = await issuer.signup(ADA, PASSWORD, deliver="both")
        assert (await issuer.load_user(issued.subject))["email"] == ADA
        with pytest.raises(AccountExists):
            await issuer.signup(ADA, PASSWORD)
        changed = await issuer.change_password(issued.sid, PASSWORD, OTHER, deliver="both")
        with pytest.raises(LoginFailed):
            await issuer.login(ADA, PASSWORD)
        assert (await issuer.login(ADA, OTHER)).subject == issued.subject
        assert await accounts.set_password(uuid.UUID(issued.subject), "new", "another") is False
        async with engine.begin() as connection:
            await connection.execute(update(accounts.table).values(is_active=False))
        assert changed.session_token is not None
        with pytest.raises(TokenRevoked):
            await issuer.verify(changed.session_token.reveal())
        assert await issuer.load_user(issued.subject) is None
    with pytest.raises(IntegrityError):
        await accounts.create("bob@example.com", None)  # type: ignore[arg-type]
    await engine.dispose()
