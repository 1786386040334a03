from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from pwdlib import PasswordHash

SECRET_KEY = "a secret of at least 32 characters"
ALGORITHM = "HS256"
password_hash = PasswordHash.recommended()
users = {
    "ada": {"username": "ada", "hashed_password": password_hash.hash("violet umbrella 7 o clock"), "disabled": False}
}
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="token")
app = FastAPI()


def authenticate_user(username: str, password: str):
    user = users.get(username)
    if user is None or not password_hash.verify(password, user["hashed_password"]):
        return None
    return user


def create_access_token(username: str) -> str:
    expires_at = datetime.now(UTC) + timedelta(minutes=30)
    return jwt.encode({"sub": username, "exp": expires_at}, SECRET_KEY, algorithm=ALGORITHM)


async def get_current_user(token: Annotated[str, Depends(oauth2_scheme)]):
    refused = HTTPException(401, "Could not validate credentials", {"WWW-Authenticate": "Bearer"})
    try:
        payload = jwt.decode(token, SECRET_KEY, algorithms=[ALGORITHM])
    except jwt.InvalidTokenError:
        raise refused from None
    user = users.get(payload.get("sub"))
    if user is None:
        raise refused
    return user


async def get_current_active_user(user: Annotated[dict, Depends(get_current_user)]):
    if user["disabled"]:
        raise HTTPException(400, "Inactive user")
    return user


@app.post("/token")
async def login(form: Annotated[OAuth2PasswordRequestForm, Depends()]):
    user = authenticate_user(form.username, form.password)
    if user is None:
        raise HTTPException(401, "Incorrect username or password", {"WWW-Authenticate": "Bearer"})
    return {"access_token": create_access_token(user["username"]), "token_type": "bearer"}


@app.get("/me")
async def me(user: Annotated[dict, Depends(get_current_active_user)]):
    return {"username": user["username"]}
