"""Who has a database open."""

from services.postgres import Postgres
from services.process import until


def wait_until_unused(postgres: Postgres, url: str) -> None:
    """Wait until the server has ended every connection of clients that are gone."""
    name = url.rpartition("/")[2]
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND backend_type = 'client backend'"
    until(lambda: postgres.run(sql) == [(0,)], lambda: "somebody has it open")
