"""A shop in FastAPI whose customers stay in a table of its own, with the hashes that they have."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from keyturn import AsyncIssuer
from keyturn.accounts.sqlalchemy import SqlAlchemyAccounts
from keyturn.integrations.fastapi import Keyturn


class Base(DeclarativeBase): ...


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    hashed_password: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)
    points: Mapped[int] = mapped_column(default=0)


class Customers(SqlAlchemyAccounts):
    def user(self, subject: Any) -> Any:
        with Session(self.engine) as session:
            return session.get(Customer, subject)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    Base.metadata.create_all(engine)
    yield


engine = create_engine(os.environ.get("SHOP", "sqlite:///shop.db"))
app = FastAPI(title="Shop", lifespan=lifespan)
auth = Keyturn(app, AsyncIssuer.from_env(accounts=Customers(engine, Customer)))
Caller = Annotated[Customer, Depends(auth.user)]


@app.get("/me")
def me(customer: Caller) -> dict[str, str | int]:
    return {"email": customer.email, "points": customer.points}


@app.post("/orders")
def order(customer: Caller) -> dict[str, int]:
    with Session(engine) as session, session.begin():
        row = session.get_one(Customer, customer.id)
        row.points += 10
        return {"points": row.points}
