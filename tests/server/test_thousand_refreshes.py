"""One refresh token, a thousand uses at once over HTTP: one lineage, the same successor in every reply."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlencode

from server_process import ServerProcess, run_server
from server_process.process import PASSWORD

USES = 1000


async def refresh(
    server: ServerProcess, token: str, together: asyncio.Event, ready: asyncio.Semaphore
) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = urlencode({"grant_type": "refresh_token", "refresh_token": token})
    form = "Content-Type: application/x-www-form-urlencoded"
    ready.release()
    await together.wait()
    writer.write(f"POST /auth/token HTTP/1.0\r\n{form}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    whole = await reader.read()
    writer.close()
    head, _, answer = whole.partition(b"\r\n\r\n")
    return int(head.split()[1]), str(json.loads(answer).get("refresh_token"))


async def all_at_once(server: ServerProcess, token: str) -> list[tuple[int, str]]:
    together, ready = asyncio.Event(), asyncio.Semaphore(0)
    uses = [asyncio.create_task(refresh(server, token, together, ready)) for _ in range(USES)]
    for _ in range(USES):
        await ready.acquire()
    together.set()
    return await asyncio.gather(*uses)


def test_a_thousand_uses_at_once_have_one_successor(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", workers=2, algorithm="ES256") as server, server.client() as client:
        body = {"email": "ada@example.com", "password": PASSWORD, "deliver": "tokens"}
        first = client.post("/auth/signup", json=body).json()["refresh_token"]
        answers = asyncio.run(all_at_once(server, first))
        assert {status for status, _ in answers} == {200}
        successors = {successor for _, successor in answers}
        assert len(successors) == 1
        successor = successors.pop()
        assert successor != first
        again = client.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": successor})
        assert again.status_code == 200
