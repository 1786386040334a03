"""Real database servers for tests, each on ports and in a folder of its own: started, hurt and stopped by the tests."""

from services.postgres import Postgres
from services.redis import RedisCluster, RedisSentinels, RedisServer

__all__ = ["Postgres", "RedisCluster", "RedisSentinels", "RedisServer"]
