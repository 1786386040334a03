"""A Markdown page as its reader meets it: fenced blocks, the marks above them, and what they are expected to print.

A mark is an HTML comment on the line above a block:

- ``<!-- not run: REASON -->``: the block is not run. The reason must say why it cannot be.
- ``<!-- in the background -->``: a command that goes on running beside the blocks after it.
- ``<!-- server: NAME=VALUE ... -->``, anywhere: settings of the server this page talks to; ``none``: it starts its own;
  ``stopped``: one has served here, and runs no more.

A block whose first line is ``# NAME.EXT`` is a file of that name. Every other ``python`` block is a program of its own;
``sh`` and ``console`` blocks share one shell. A ``text`` or ``json`` block right after one is what it prints, ``...``
standing for anything.
"""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
RUN = ("python", "sh", "console", "javascript")
SHOWN = ("text", "json")
AS_WRITTEN = "127.0.0.1:8000"
"""Where pages say that the server is."""

_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?^(?P<indent> *)```(?P<language>[\w{}-]*)\n(?P<body>.*?)^(?P=indent)```$",
    re.M | re.S,
)
_SERVER = re.compile(r"<!-- server:(?P<settings>[^\n]*) -->")
_FILE = re.compile(r"# (?P<name>[\w/.-]+\.\w+)\n")


@dataclass(frozen=True)
class Block:
    """``shown``: what it prints, if the page says so. ``line``: where it stands, from 1."""

    language: str
    body: str
    mark: str
    line: int
    shown: str | None = None

    @property
    def not_run(self) -> str:
        """Why it is not run; empty when it is."""
        return self.mark.removeprefix("not run:").strip() if self.mark.startswith("not run:") else ""

    @property
    def file(self) -> str:
        """The file it is; empty for a program."""
        named = _FILE.match(self.body)
        return named["name"] if named else ""

    @property
    def commands(self) -> str:
        """A console's lines without their prompts."""
        if self.language != "console":
            return self.body
        return re.sub(r"^\$ ", "", self.body, flags=re.M)


@dataclass(frozen=True)
class Page:
    """A page of the documentation.

    ``path``: relative to the repository. ``settings``: of the page's server. ``served``: a server runs.
    ``stopped``: a server ran before and left its data directory.
    """

    path: str
    text: str
    blocks: tuple[Block, ...]
    settings: dict[str, str]
    served: bool
    stopped: bool

    @property
    def runs(self) -> list[Block]:
        """The blocks that are run or written, in order."""
        return [each for each in self.blocks if not each.not_run and (each.language in RUN or each.file)]

    @property
    def asks(self) -> bool:
        """Whether something that is run may ask a server that is there before."""
        programs = [each for each in self.runs if not each.file]
        return self.served and bool(programs) and any(AS_WRITTEN in each.body for each in self.runs)

    @property
    def shares(self) -> bool:
        """Whether any server will do: one with the settings that a reader begins with."""
        return self.asks and not self.settings and not self.stopped


def read_page(path: Path) -> Page:
    text = path.read_text()
    found = _SERVER.search(text)
    said = found["settings"].split() if found else []
    settings = dict(each.split("=", 1) for each in said if "=" in each)
    served = "none" not in said
    return Page(str(path.relative_to(REPOSITORY)), text, tuple(_blocks(text)), settings, served, "stopped" in said)


def pages() -> list[Page]:
    """Every page for users, decisions left out: those are not instructions."""
    paths = [REPOSITORY / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "GLOSSARY.md")]
    written = [each for each in sorted((REPOSITORY / "docs").rglob("*.md")) if "_build" not in each.parts]
    return [read_page(each) for each in (*paths, *written) if each.parent.name != "decisions"]


def _blocks(text: str) -> list[Block]:
    found = list(_FENCE.finditer(text))
    blocks: list[Block] = []
    for number, each in enumerate(found):
        after = found[number + 1] if number + 1 < len(found) else None
        shown = after["body"] if after and after["language"] in SHOWN and _adjoins(text, each, after) else None
        line = text.count("\n", 0, each.start()) + 1
        blocks.append(Block(each["language"], _dedent(each), each["mark"] or "", line, shown))
    return blocks


def _adjoins(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    return not text[one.end() : other.start()].strip()


def _dedent(fence: re.Match[str]) -> str:
    return re.sub("^" + fence["indent"], "", fence["body"], flags=re.M)
