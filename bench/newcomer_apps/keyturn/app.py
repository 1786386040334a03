from typing import Annotated

from fastapi import Depends, FastAPI

from keyturn.integrations.fastapi import Keyturn, Principal

app = FastAPI()
auth = Keyturn(app)


@app.get("/me")
async def me(user: Annotated[Principal, Depends(auth.required)]) -> dict[str, str]:
    return {"subject": user.subject}
