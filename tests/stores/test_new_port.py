"""A new port on memory, SQL and Redis touches six files; ``new_port.patch`` is such a port, and its contract passes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from alembic.script import ScriptDirectory

import keyturn
from keyturn.stores.sql.migrate import configuration
from mutation.processes import run
from tiers.session import INHERITED

TESTS = Path(__file__).parents[1]
PATCH = Path(__file__).with_name("new_port.patch")
MOST_FILES = 6
CONTRACTS = ("tests/stores/test_store_contract.py", "tests/stores/test_redis_contract.py")


def test_a_new_port_touches_six_files_and_passes_the_contract_on_every_store(tmp_path: Path) -> None:
    source = Path(shutil.copytree(Path(keyturn.__file__).parent, tmp_path / "src" / "keyturn"))
    newest = ScriptDirectory.from_config(configuration()).get_current_head()
    patch = PATCH.read_text().replace('"HEAD"', f'"{newest}"')
    assert patch.count("diff --git ") <= MOST_FILES
    applied = subprocess.run(
        ["git", "apply", "-C1", "-"], cwd=tmp_path, input=patch, text=True, capture_output=True, check=False
    )
    assert applied.returncode == 0, f"mend new_port.patch: {applied.stderr}"
    options = ["-q", "-c", "pyproject.toml", "--rootdir=.", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'tmp'}"]
    command = [sys.executable, "-m", "pytest", *options, *CONTRACTS, "--long", "-k", "a_note_is_inserted_once"]
    environment = {name: value for name, value in os.environ.items() if name not in INHERITED}
    ended = run(command, TESTS.parent, {**environment, "PYTHONPATH": f"{source.parent}:{TESTS}"}, 120)
    assert ended.status == 0, ended.output
    assert "9 passed" in ended.output, "memory, SQLite, Redis and Redis Cluster, sync and async"
