from better_auth import BetterAuth, EmailAndPassword
from better_auth.integrations.fastapi import BetterAuthFastAPI
from fastapi import Depends, FastAPI

auth = BetterAuth(
    secret="a secret of at least 32 characters",
    base_url="http://127.0.0.1:8000",
    email_and_password=EmailAndPassword(enabled=True),
)
app = FastAPI()
protect = BetterAuthFastAPI(auth)
app.include_router(protect.router)


@app.get("/me")
async def me(found: dict = Depends(protect.require_session)):  # noqa: B008
    return found["user"]
