"""``examples/django_app`` by the commands of its README: members, the admin, and what Django changes by itself."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from docs.page import REPOSITORY
from examples.html import Page, open_browser, open_page, send
from examples.running import App, commands_of, environment, running_on
from services.ports import free_port

PASSWORD = "a bicycle made of rain"
PREPARE, SERVE, REVOKE = commands_of("django_app")
MANAGE = ".venv/bin/python examples/django_app/manage.py"


class Project:
    """The project. ``url``: of its server."""

    def __init__(self, data: Path) -> None:
        root = {"DJANGO_SUPERUSER_USERNAME": "root", "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        self._variables = {"KEYTURN_DATA_DIR": str(data), "DJANGO_SUPERUSER_EMAIL": "root@example.com", **root}
        self.url = ""

    def run(self, command: str) -> None:
        subprocess.run(
            ["sh", "-ec", command],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            env=environment(**self._variables),
            timeout=60,
        )

    def serve(self) -> "Iterator[App]":
        port = free_port()
        assert SERVE.endswith(" 8000")
        command = SERVE.removesuffix("8000") + str(port)
        with running_on(port, command, "Starting development server", **self._variables) as app:
            self.url = app.url
            yield app


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("django_app") / "data")
    project.run(PREPARE.replace("createsuperuser", "createsuperuser --noinput"))
    for _ in project.serve():
        yield project


@pytest.fixture
def browser(project: Project) -> Iterator[httpx.Client]:
    with open_browser(project.url, "first browser") as client:
        yield client


@pytest.fixture
def admin(project: Project) -> Iterator[httpx.Client]:
    """Log the administrator in by the login page of the admin."""
    with open_browser(project.url, "the administrator's browser") as client:
        page = Page(client.get("/admin/login/"))
        form = next(each for each in page.forms if "password" in each.fields)
        fields = form.fields | {"username": "root", "password": PASSWORD, "next": "/admin/"}
        answer = client.post("/admin/login/", data=fields, headers={"Referer": f"{project.url}/admin/login/"})
        assert answer.headers["location"] == "/admin/"
        assert client.get("/admin/").status_code == 200
        yield client


def join(browser: httpx.Client, name: str) -> Page:
    return send(browser, open_page(browser).form("Join the club"), email=name, password=PASSWORD)


def test_a_member_joins_and_is_the_user_of_the_request(browser: httpx.Client) -> None:
    assert "Hello, rosa" in join(browser, "rosa").text
    left = send(browser, open_page(browser).form("Log out"))
    assert left.response.url.path == "/login"
    refused = send(browser, left.form("Log in"), email="rosa", password="a bicycle made of sand")
    assert refused.alert == "The user name or the password is wrong."
    assert join(browser, "rosa").alert.startswith("This name is taken.")
    assert "Hello, rosa" in send(browser, refused.form("Log in"), email="rosa", password=PASSWORD).text


def test_a_login_of_the_admin_is_a_session_that_the_list_can_end(
    project: Project, browser: httpx.Client, admin: httpx.Client
) -> None:
    send(browser, open_page(browser).form("Log in"), email="root", password=PASSWORD)
    listed = open_page(browser)
    assert "run the club" in listed.text
    assert "the administrator's browser" in listed.text
    send(browser, listed.form("End"))
    assert admin.get("/admin/").headers["location"].startswith("/admin/login/")
    assert browser.get("/").status_code == 200


def test_a_member_that_django_sets_inactive_is_logged_out(project: Project, browser: httpx.Client) -> None:
    join(browser, "mary")
    change = "User.objects.filter(username='mary').update(is_active=False)"
    project.run(f'{MANAGE} shell -c "from django.contrib.auth.models import User; {change}"')
    assert is_login(browser.get("/"))
    assert send(browser, open_page(browser).form("Log in"), email="mary", password=PASSWORD).alert


def is_login(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F")


def test_a_command_of_the_project_ends_every_login(project: Project, browser: httpx.Client) -> None:
    join(browser, "emmy")
    project.run(f"{REVOKE} --yes")
    assert is_login(browser.get("/"))


def test_the_project_has_nothing_to_report(project: Project, browser: httpx.Client) -> None:
    project.run(f"{MANAGE} check --fail-level WARNING && {MANAGE} makemigrations --check")
    assert httpx.get(f"{project.url}/static/club/style.css").status_code == 200
