"""The server of a page on another origin, in FastAPI: Keyturn's endpoints, and the notes of each user."""

import os
from typing import Annotated

from fastapi import Body, Depends, FastAPI

from keyturn.integrations.fastapi import Keyturn, Principal

PAGE = os.environ.get("PAGE", "http://127.0.0.1:8001")

app = FastAPI()
auth = Keyturn(app, credentials="jwt", profile="browser-strict", trusted_origins=(PAGE,))
User = Annotated[Principal, Depends(auth.required)]
notes: dict[str, list[str]] = {}


@app.get("/notes")
async def read_notes(user: User) -> list[str]:
    return notes.get(user.subject, [])


@app.post("/notes")
async def add_note(user: User, text: Annotated[str, Body(embed=True, min_length=1, max_length=200)]) -> list[str]:
    notes[user.subject] = [text, *notes.get(user.subject, [])][:20]
    return notes[user.subject]
