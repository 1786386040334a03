"""The HTTP server: an ASGI application that runs the ``web`` endpoints, with logs, metrics and limits."""
