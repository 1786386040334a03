"""Names under which the HTTP protocol and the application pass each other what ASGI does not define."""

CONNECTION = "keyturn.connection"
"""Name of the ASGI extension that holds the connection of the request."""

ORIGINS = "keyturn.origins"
"""Key of the lifespan state under which the application names the origins whose pages may read its refusals."""

ERROR_PAGE = "keyturn.error_page"
"""Key of the lifespan state under which the application names the page that problem documents link to."""
