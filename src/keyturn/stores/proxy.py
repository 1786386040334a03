"""Proxies of ports: each method of a port, run another way. The methods are those that the port declares."""

from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

from keyturn.ports import STORE_PORTS, StorePorts, methods_of, ports_of

Method = Callable[..., Any]


def make_proxy(port: type, definition: object, bind: Callable[[Method], Method]) -> Any:
    """Return a port with every method of the protocol ``port``: ``bind`` makes it of the method of ``definition``."""
    return SimpleNamespace(**{name: bind(getattr(definition, name)) for name in methods_of(port)})


def set_ports(store: StorePorts, ports: Mapping[str, object]) -> None:
    """Give ``store`` the ``ports``, by name."""
    for name, port in ports.items():
        setattr(store, name, port)


def set_proxies(store: StorePorts, definitions: Mapping[str, object], bind: Callable[[Method], Method]) -> None:
    """Give ``store`` a proxy of each of ``definitions``, by name."""
    set_ports(store, {name: make_proxy(STORE_PORTS[name], each, bind) for name, each in definitions.items()})


def set_async_ports(store: StorePorts, source: StorePorts, run: Callable[..., Awaitable[Any]]) -> None:
    """Give ``store`` the ports of ``source``, async: ``run(method, *arguments)`` calls a method."""

    def bind(method: Method) -> Method:
        async def call(*arguments: object) -> Any:
            return await run(method, *arguments)

        return call

    set_proxies(store, ports_of(source), bind)
