"""Messages about extras that are not installed."""


def missing_extra(missing: ModuleNotFoundError) -> SystemExit:
    """Return the exit of a command whose module ``missing`` is not installed."""
    extras = "pip install '.[server,cli]'"
    return SystemExit(
        f"the keyturn command needs {missing.name}, which is not installed; in a clone of Keyturn: {extras}"
    )
