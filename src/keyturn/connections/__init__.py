"""Open connections, such as WebSockets and streams, that end with the session or the token that opened them."""

from keyturn.connections.connection import AsyncConnection, Connection
from keyturn.connections.registry import ConnectionRegistry, ConnectionSource
from keyturn.core.connection import ConnectionEnd

__all__ = ["AsyncConnection", "Connection", "ConnectionEnd", "ConnectionRegistry", "ConnectionSource"]
