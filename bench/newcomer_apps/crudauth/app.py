from contextlib import asynccontextmanager

from crudauth import CookieConfig, CRUDAuth, Principal, SessionTransport
from crudauth.models import AuthUserMixin
from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine("sqlite+aiosqlite:///app.db")
open_session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(Base, AuthUserMixin):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)


async def get_session():
    async with open_session() as session:
        yield session


# Its cookies are Secure by default; this server is plain http.
transport = SessionTransport(management_routes=True, cookies=CookieConfig(secure=False))
auth = CRUDAuth(
    session=get_session, user_model=User, SECRET_KEY="a secret of at least 32 characters", transports=[transport]
)


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await auth.initialize()
    yield
    await auth.shutdown()


app = FastAPI(lifespan=lifespan)
app.include_router(auth.router)


@app.get("/private")
async def private(user: Principal = Depends(auth.current_user())):  # noqa: B008
    return {"id": user.user_id}
