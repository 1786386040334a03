"""Every store defines each port with the parameters of its protocol, which no type checker sees through a proxy."""

from inspect import signature

import pytest

from keyturn.ports import STORE_PORTS, methods_of
from keyturn.stores.memory import MemoryStore
from keyturn.stores.redis.log import Log
from keyturn.stores.redis.one_time import RedisOneTimeValues
from keyturn.stores.redis.sessions import Sessions
from keyturn.stores.sql.definitions import port_definitions

REDIS = {"sessions": Sessions(), "log": Log(), "one_time": RedisOneTimeValues()}
DEFINITIONS = [
    *((f"sql-{name}", name, each) for name, each in port_definitions().items()),
    *((f"redis-{name}", name, each) for name, each in REDIS.items()),
    *((f"memory-{name}", name, getattr(MemoryStore(), name)) for name in STORE_PORTS),
]


def test_sql_and_memory_define_every_port() -> None:
    assert set(port_definitions()) == set(STORE_PORTS) == set(vars(MemoryStore())) - {"subscribe"}


@pytest.mark.parametrize(
    ("name", "definition"), [each[1:] for each in DEFINITIONS], ids=[each[0] for each in DEFINITIONS]
)
def test_every_method_has_the_parameters_of_its_protocol(name: str, definition: object) -> None:
    port = STORE_PORTS[name]
    assert methods_of(port)
    for method in methods_of(port):
        declared = list(signature(getattr(port, method)).parameters.values())[1:]
        defined = list(signature(getattr(definition, method)).parameters.values())
        assert [(each.name, each.default) for each in defined] == [(each.name, each.default) for each in declared]
