"""Server: the ASGI application. HTTP in, ``web`` endpoints driven, HTTP out; logs, metrics and limits around it."""
