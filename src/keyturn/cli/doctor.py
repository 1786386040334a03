"""``keyturn doctor``: a check of the settings for production."""

import typer

from keyturn.cli.output import DataDir, Json, print_result, report_errors
from keyturn.errors import ConfigurationError


@report_errors
def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Check the settings for production. Exits with code 1 if one is missing, weak or was generated."""
    from keyturn.config.checks import check_production
    from keyturn.config.settings import read_settings

    problems: tuple[str, ...] = ()
    try:
        check_production(read_settings(data_dir=data_dir))
    except ConfigurationError as failure:
        problems = failure.problems
    sentence = "\n".join(["not fit for production:", *(f"  - {each}" for each in problems)])
    print_result({"fit": not problems, "problems": problems}, as_json, sentence if problems else "fit for production")
    if problems:
        raise typer.Exit(1)
