"""An installation without extras says which one is missing."""

import subprocess
import sys

WITHOUT = "import sys; sys.modules[{name!r}] = None; "


def without(module: str, program: str) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(name=module) + program
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


def test_an_issuer_names_what_it_lacks() -> None:
    ran = without("argon2", "import keyturn; keyturn.Verifier; keyturn.Issuer")
    assert ran.returncode == 1
    assert "ImportError: an issuer needs argon2" in ran.stderr
    assert "pip install 'keyturn[passwords,sql]'" in ran.stderr


def test_the_command_names_what_it_lacks_in_one_line() -> None:
    ran = without("typer", "import keyturn.cli")
    assert ran.returncode == 1
    assert ran.stderr == "the keyturn command needs typer, which this installation lacks: " + (
        "pip install 'keyturn[server,cli]'\n"
    )
