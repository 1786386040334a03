"""Redis servers: one, one with replicas and sentinels, a cluster."""

import time
from copy import copy
from typing import Any

import redis

from services.ports import free_port
from services.process import ServiceProcess, until


class RedisServer(ServiceProcess):
    """One server, append-only file on, fsynced each second: what an operator who cares would run.

    ``settings``: as on its command line, with ``_`` for ``-``.
    """

    database = 0

    def __init__(self, port: int | None = None, **settings: str) -> None:
        super().__init__()
        self.port = port or free_port()
        given = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), "save": "", "appendonly": "yes"}
        given["repl_diskless_sync_delay"] = "0"  # a replica that has just come is sent everything at once, not in 5 s
        self.command = ["redis-server"]
        for name, value in {**given, **settings}.items():
            self.command += [f"--{name.replace('_', '-')}", value]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/{self.database}"

    def at(self, database: int) -> "RedisServer":
        """Return this server, seen from one of its numbered databases."""
        seen = copy(self)
        seen.database = database
        return seen

    def client(self, **options: Any) -> "redis.Redis":
        return redis.Redis(port=self.port, db=self.database, socket_timeout=5, **options)

    def ready(self) -> bool:
        """Whether it answers, and not another one that took its port."""
        try:
            with self.client() as client:
                client.ping()  # refused while it loads its file, unlike INFO
            answering = self.info("server")["process_id"]
        except redis.RedisError:
            return False
        return self.process is not None and answering == self.process.pid

    def info(self, section: str) -> dict[str, Any]:
        with self.client() as client:
            found: dict[str, Any] = client.info(section)
            return found


class Sentinel(RedisServer):
    """One sentinel. It rewrites its own file, so its settings are in one."""

    def __init__(self, primary: int, quorum: int, down_milliseconds: int) -> None:
        super().__init__()
        file = self.folder / "sentinel.conf"
        file.write_text(
            f'port {self.port}\nbind 127.0.0.1\ndir "{self.folder}"\n'
            f"sentinel monitor keyturn 127.0.0.1 {primary} {quorum}\n"
            f"sentinel down-after-milliseconds keyturn {down_milliseconds}\n"
            "sentinel failover-timeout keyturn 3000\nsentinel parallel-syncs keyturn 1\n"
        )
        self.command = ["redis-server", str(file), "--sentinel"]


class RedisSentinels:
    """A primary, ``replicas`` replicas and three sentinels that know it as ``keyturn``."""

    def __init__(self, replicas: int = 2, down_milliseconds: int = 1000) -> None:
        primary = RedisServer()
        self.servers = [primary, *(RedisServer(replicaof=f"127.0.0.1 {primary.port}") for _ in range(replicas))]
        self.sentinels = [Sentinel(primary.port, 2, down_milliseconds) for _ in range(3)]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/keyturn"

    @property
    def primary(self) -> RedisServer:
        """The server that is the primary now, as the sentinels see it."""
        with self.sentinels[0].client() as client:
            _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "keyturn")
        return next(each for each in self.servers if each.port == int(port))

    def start(self) -> None:
        for each in self.servers:
            each.start()
        until(self._replicating, lambda: "the replicas do not follow the primary")
        for each in self.sentinels:
            each.start()
        until(self._watching, lambda: "the sentinels do not know each other and every replica")

    def remove(self) -> None:
        for each in (*self.sentinels, *self.servers):
            each.remove()

    def _replicating(self) -> bool:
        # A replica counts as connected before it has been sent anything: what it has not got is durable nowhere else.
        known = self.servers[0].info("replication")
        replicas = range(len(self.servers) - 1)
        return all(known.get(f"slave{number}", {}).get("state") == "online" for number in replicas)

    def _watching(self) -> bool:
        for each in self.sentinels:
            seen = each.info("sentinel")["master0"]
            if (seen["sentinels"], seen["slaves"]) != (len(self.sentinels), len(self.servers) - 1):
                return False
        return True


class RedisCluster:
    """``primaries`` primaries, each with ``replicas`` replicas."""

    def __init__(self, primaries: int = 3, replicas: int = 0, timeout_milliseconds: int = 2000) -> None:
        self._primaries = primaries
        self._replicas = replicas
        options = {"cluster_enabled": "yes", "cluster_node_timeout": str(timeout_milliseconds)}
        self.servers = [RedisServer(**options) for _ in range(primaries * (1 + replicas))]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.servers[: self._primaries])
        return f"redis+cluster://{hosts}"

    def start(self) -> None:
        for each in self.servers:
            each.start()
        self._meet()
        until(self._whole, lambda: "the cluster did not form")

    def remove(self) -> None:
        for each in self.servers:
            each.remove()

    def flush(self) -> None:
        """Empty every primary."""
        for each in self.servers:
            if each.info("replication")["role"] == "master":
                with each.client() as client:
                    client.flushall()

    def _meet(self) -> None:
        first, count = self.servers[0], self._primaries
        bounds = [round(16384 * n / count) for n in range(count + 1)]
        for number, each in enumerate(self.servers):
            with each.client() as client:
                if each is not first:
                    client.execute_command("CLUSTER MEET", "127.0.0.1", first.port)
                if number < count:
                    client.execute_command("CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        until(self._acquainted, lambda: "the nodes did not meet")
        for number, each in enumerate(self.servers[count:]):
            with self.servers[number % count].client() as client:
                primary = client.execute_command("CLUSTER MYID")
            with each.client() as client:
                client.execute_command("CLUSTER REPLICATE", primary.decode())

    def _acquainted(self) -> bool:
        return all(self._cluster_info(each)["cluster_known_nodes"] == str(len(self.servers)) for each in self.servers)

    def _whole(self) -> bool:
        linked = all(
            each.info("replication").get("master_link_status", "up") == "up" for each in self.servers[self._primaries :]
        )
        return linked and all(self._cluster_info(each)["cluster_state"] == "ok" for each in self.servers)

    def _cluster_info(self, server: RedisServer) -> dict[str, str]:
        with server.client() as client:
            answer = client.execute_command("CLUSTER INFO")
        if isinstance(answer, dict):
            return {str(name): str(value) for name, value in answer.items()}
        lines = answer.decode().split()
        return dict(line.split(":", 1) for line in lines)


def wait_for_another_primary(sentinels: RedisSentinels, old: RedisServer, seconds: float = 30.0) -> float:
    """Seconds until the sentinels have made another server the primary."""
    began = time.monotonic()
    until(lambda: sentinels.primary is not old, lambda: "no failover", seconds)
    return time.monotonic() - began
