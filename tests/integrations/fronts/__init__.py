"""The same application in every framework: the endpoints, and routes that ask for a principal.

Each module has ``make_app(issuer)`` and ``send(app, sent)``, which are a front for the exchange suite. Routes, for GET
and POST: ``/private``, ``/public`` (optional), ``/admin`` (scope ``admin``), ``/fresh`` (``fresh=300``). Each answers
``{"sid", "subject"}`` of the caller, null for an anonymous one.
"""
