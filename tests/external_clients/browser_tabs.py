"""Tabs of Chromium that use the browser client, on pages of a site."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from external_clients.browser_site import Site, running_site
from server_process.process import PASSWORD

EMAIL = "ada@example.com"


LOAD = """async ([url, options]) => {
  const { createClient, KeyturnError } = await import(url + "/auth/client.js");
  self.auth = createClient(options);
  self.outcome = async (task) => {
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof KeyturnError)) throw error;
      const { status, code, hint, retryAfter, isLoggedOut } = error;
      return { error: true, status, code, hint, retryAfter, isLoggedOut };
    }
  };
  self.order = (url = "/api/orders", text = "tea") => outcome(async () => {
    const response = await auth.fetch(url, { method: "POST", body: text });
    return [response.status, (await response.json()).received];
  });
  // Each tab sends two requests at once when it is told to.
  self.channel = new BroadcastChannel("rounds");
  channel.onmessage = async ({ data }) => {
    if (data === "go") channel.postMessage(await Promise.all([order(), order()]));
  };
}"""


RECEIVED = [200, "tea"]


def tab(context: BrowserContext, site: Site, origin: str = "", **options: Any) -> Page:
    """Open a page of an origin, the site's own by default, with the client as ``auth``."""
    page = context.new_page()
    page.goto(origin or site.url)
    page.evaluate(LOAD, [site.url, options])
    return page


def call(page: Page, method: str, *arguments: str) -> Any:
    """Return what a method of the client returned, or the fields of its error."""
    return page.evaluate("([method, args]) => outcome(() => auth[method](...args))", [method, list(arguments)])


@contextmanager
def logged_in(
    browser: Browser, deliver: str = "token-cookies", **settings: Any
) -> Iterator[tuple[Site, BrowserContext, Page]]:
    """Run a site, and a browser whose first tab has signed up."""
    with running_site(**settings) as site, browser.new_context() as context:
        page = tab(context, site, deliver=deliver)
        assert "error" not in call(page, "signup", EMAIL, PASSWORD)
        yield site, context, page


def order(page: Page, *arguments: str) -> Any:
    return page.evaluate("(args) => order(...args)", list(arguments))
