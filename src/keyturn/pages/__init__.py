"""Pages of the server: login and sign-up, the account and its devices. They work without JavaScript.

Every action of a page is an ordinary form to an endpoint of ``keyturn.web``. Needs the extra ``pages``.
"""

from keyturn.pages.application import PagesApplication

__all__ = ["PagesApplication"]
