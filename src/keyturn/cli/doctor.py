"""``keyturn doctor``: what stands between these settings and production."""

import typer

from keyturn.cli.speak import Data, Json, complaining, say
from keyturn.errors import ConfigurationError


@complaining
def doctor(data: Data = None, as_json: Json = False) -> None:
    """Check the settings against the production profile. Exit code 1 when something is missing."""
    from keyturn.compose.production import refuse_half_configured
    from keyturn.compose.settings import read_settings

    problems: tuple[str, ...] = ()
    try:
        refuse_half_configured(read_settings(data=data))
    except ConfigurationError as failure:
        problems = failure.problems
    sentence = "\n".join(["not fit for production:", *(f"  - {each}" for each in problems)])
    say({"fit": not problems, "problems": problems}, as_json, sentence if problems else "fit for production")
    if problems:
        raise typer.Exit(1)
