"""A PostgreSQL cluster of its own, reached over TCP with a password."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg

from services.ports import free_port
from services.process import START_SECONDS, ServiceProcess, until
from services.run import locked, run_folder


class Postgres(ServiceProcess):
    """A PostgreSQL cluster.

    ``url(database)``: store URL for Keyturn. ``settings``: lines of ``postgresql.conf``; the defaults are those of a
    production server, durability included.
    """

    def __init__(self, port: int | None = None, *, standby_of: "Postgres | None" = None, **settings: str) -> None:
        super().__init__()
        self.port = port or free_port()
        self.password = standby_of.password if standby_of else secrets.token_hex(8)
        # PostgreSQL refuses to run as root.
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
        self._copy(standby_of) if standby_of else self._make()
        given = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            # In a file of its folder: in /dev/shm it would outlive a server that is killed.
            "dynamic_shared_memory_type": "mmap",
            **settings,
        }
        self.command = [binary("postgres"), "-D", str(self.folder / "base")]
        for name, value in given.items():
            self.command += ["-c", f"{name}={value}"]

    def standby(self) -> "Postgres":
        """Start a hot standby that replicates this running server."""
        standby = Postgres(standby_of=self)
        standby.start()
        until(lambda: self.run("SELECT count(*) FROM pg_stat_replication") == [(1,)], lambda: "no replication")
        return standby

    def promote(self) -> None:
        """Make this standby the primary."""
        assert self.run("SELECT pg_promote(true, 30)") == [(True,)]

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def database(self, template: str = "template1") -> str:
        """Create a database from ``template`` and return its URL."""
        name = f"keyturn_{secrets.token_hex(4)}"
        self.run(f'CREATE DATABASE {name} TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, and end its connections."""
        self.run(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement of an operator's, outside any transaction."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def ready(self) -> bool:
        try:
            return self.run("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def signal(self, number: int) -> None:
        """Each of its processes leads a group of its own; all of them are reached, the parent of all first."""
        assert self.process is not None
        pid = self.process.pid
        os.kill(pid, number)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def remove(self) -> None:
        """End it without a checkpoint, since nothing is kept, and delete its folder."""
        if self.running:
            assert self.process is not None
            self.signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(START_SECONDS)
        super().remove()

    def _make(self) -> None:
        cluster = run_folder() / "initdb"
        with locked("initdb"):
            if not cluster.exists():
                self._initdb(cluster)
        # Half a second less than another initdb; the copy keeps owner and mode.
        subprocess.run(["cp", "-a", cluster, self.folder / "base"], check=True, capture_output=True)
        self.password = (run_folder() / "initdb.password").read_text()

    def _initdb(self, cluster: Path) -> None:
        word = cluster.with_suffix(".password")
        word.write_text(self.password)
        word.chmod(0o644)
        made = self.folder / "initdb"
        arguments = ["-D", str(made), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={word}"]
        command = [binary("initdb"), *arguments, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(command, user=self.user, cwd=self.folder, check=True, capture_output=True)
        made.rename(cluster)

    def _copy(self, primary: "Postgres") -> None:
        arguments = ["-D", str(self.folder / "base"), "-d", primary.url(), "-R", "-X", "stream", "-c", "fast"]
        command = [binary("pg_basebackup"), *arguments, "--no-sync"]
        subprocess.run(command, user=self.user, cwd=self.folder, check=True, capture_output=True)


def binary(name: str) -> str:
    # Debian keeps them out of the PATH, by version.
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = str(newest[-1]) if newest else shutil.which(name)
    assert found, f"no {name}: apt-get install postgresql"
    return found
