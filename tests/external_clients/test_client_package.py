"""The browser client as an npm package: packed, installed in a clean folder, imported."""

import json
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

import keyturn.web
from external_clients.browser_site import running_site

FOLDER = Path(keyturn.web.__file__).with_name("client")
SHOW = """import { createClient, KeyturnError } from "keyturn-client";
const client = createClient({ url: "http://127.0.0.1:1/auth/", deliver: "tokens" });
const error = await client.session().catch((error) => error);
const described = [error instanceof KeyturnError, error.code, error.isLoggedOut];
console.log(JSON.stringify([Object.keys(client).sort(), ...described]));"""


def run(*command: str, folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack the client, and install the package in an empty folder."""
    folder = tmp_path_factory.mktemp("npm")
    (packed,) = json.loads(run("npm", "pack", "--json", "--pack-destination", str(folder), folder=FOLDER))
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    run("npm", "install", "--offline", "--no-audit", "--no-fund", f"./{packed['filename']}", folder=folder)
    return folder


def test_the_package_holds_the_served_file(installed: Path) -> None:
    package = installed / "node_modules" / "keyturn-client"
    assert {each.name for each in package.iterdir()} == {
        "client.js",
        "client.d.ts",
        "LICENSE",
        "README.md",
        "package.json",
    }
    with running_site() as site:
        served = httpx.get(f"{site.url}/auth/client.js")
    assert served.headers["content-type"] == "text/javascript; charset=utf-8"
    assert served.content == (package / "client.js").read_bytes()


def test_the_package_is_of_this_version_and_licence() -> None:
    package: Any = json.loads((FOLDER / "package.json").read_text())
    assert (package["version"], package.get("dependencies")) == (version("keyturn"), None)
    assert (FOLDER / "LICENSE").read_text() == (Path(__file__).parents[2] / "LICENSE").read_text()


def test_the_package_is_imported_and_its_types_name_its_functions(installed: Path) -> None:
    (installed / "show.mjs").write_text(SHOW)
    functions, *error = json.loads(run("node", "show.mjs", folder=installed))
    assert error == [True, "network_error", False]
    types = (FOLDER / "client.d.ts").read_text()
    (client,) = re.findall(r"interface Client \{(.*?)\n\}", types, re.DOTALL)
    assert sorted(re.findall(r"^  (\w+)\(", client, re.MULTILINE)) == functions
    exported = re.findall(r"^export (?:function|class) (\w+)", types, re.MULTILINE)
    assert exported == re.findall(r"^export (?:function|class) (\w+)", (FOLDER / "client.js").read_text(), re.MULTILINE)
