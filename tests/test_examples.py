"""The examples of the docstrings and of the documentation run, and what it points at is there."""

import doctest
import importlib
import pathlib
import pkgutil
import re
import tempfile
import tomllib
from typing import Any

import keras
import numpy as np
import pytest
import typer
from PIL import Image

import barlow
from barlow import report
from barlow.cli import app

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / "docs"
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
PAGES = [README, CONTRIBUTING, *sorted(DOCS.glob("*.md"))]
# Lines of a page from ``` to ```, and what they are in.
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

MODULES = [barlow.__name__] + [
    module.name for module in pkgutil.walk_packages(barlow.__path__, prefix="barlow.")
]
# Rooms whose examples run on every backend.
ON_EVERY = {"backend", "kernel", "losses", "models", "optimizers", "views"}
NAMES = {
    "barlow": barlow, "keras": keras, "np": np, "pathlib": pathlib, "report": report,
    "tempfile": tempfile,
}  # fmt: skip


def name_of(page):
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What docs/index.md says that examples may use: names, and folders in the current one."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3)).astype("uint8")
    for i, image in enumerate(pixels):
        for folder in ("photos", f"labelled-photos/{'cat' if i % 2 else 'dog'}"):
            path = pathlib.Path(folder, f"{i}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return {
        **NAMES,
        "images": pixels,
        "held_out": pixels[:8],
        "labelled": barlow.data.load("labelled-photos"),
        "encoder": barlow.models.encoder("conv", (32, 32, 3)),
    }


@pytest.mark.filterwarnings("ignore:barlow.recipes is now:DeprecationWarning")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if ON_EVERY & {*name.split(".")} else pytest.mark.once)
        for name in MODULES
    ],
)
def test_the_examples_of_a_module_run(name):
    result = doctest.testmod(
        importlib.import_module(name), extraglobs=NAMES, optionflags=doctest.ELLIPSIS
    )
    assert result.failed == 0


@pytest.mark.once
@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text()], ids=name_of
)
def test_the_examples_of_a_page_run_in_their_order(page, names):
    text = page.read_text()
    blocks = [block for block in FENCED.finditer(text) if block[1] == "python"]
    assert blocks
    for block in blocks:
        code = block[2]
        first_line = text.count("\n", 0, block.start(2))
        if ">>>" in code:
            example = doctest.DocTestParser().get_doctest(
                code, names, name_of(page), str(page), first_line
            )
            assert doctest.DocTestRunner().run(example).failed == 0
        else:
            # The first epoch shows as much as the hundredth. The line numbers are the page's.
            program = "\n" * first_line + re.sub("epochs=100|minutes=30", "epochs=1", code)
            exec(compile(program, str(page), "exec"), names)  # noqa: S102 - our own text


@every_page
def test_no_example_is_left_out(page):
    text = page.read_text()
    assert {language for language, _ in FENCED.findall(text)} <= {"python", "text"}
    outside = FENCED.sub("", text)
    assert "```" not in outside
    assert ">>>" not in outside
    assert not re.search(r"^ {4,}(import|from) \w+", outside, re.MULTILINE)


def test_the_readme_has_900_words_at_most():
    assert len(README.read_text().split()) <= 900


def test_the_index_leads_to_every_page():
    links = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "index.md").read_text()))
    assert links == {page.name for page in DOCS.glob("*.md")} - {"index.md"}


@every_page
def test_links_lead_to_files_and_headings_that_exist(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for link in links:
        if link.startswith("https://"):
            continue
        file, _, heading = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{name_of(page)} leads to {link}, which is not there"
        if heading:
            assert heading in anchors(target), f"{name_of(page)} leads to {link}: no such heading"


def anchors(page):
    """The headings of a page as a browser names them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_commands_and_their_options_exist(page):
    text = FENCED.sub("", page.read_text())
    shown = re.findall(r"^    (?:\w+=\S+ )?barlow (.*?)(?: {2,}#.*)?$", text, re.MULTILINE)
    shown += re.findall(r"`barlow ([^`]*)`", text)
    root: Any = typer.main.get_command(app)
    context = typer.Context(root)
    for line in shown:
        name, *arguments = line.split()
        command = root
        if name.isupper():  # COMMAND stands for any
            continue
        if not name.startswith("-"):
            command = root.get_command(context, name)
            assert command, f"There is no command: barlow {line}"
        known = {
            option
            for parameter in command.get_params(context)
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        options = {word for word in (name, *arguments) if word.startswith("--")}
        assert options <= known, f"There is no option {options - known}: barlow {line}"


def test_the_map_of_the_rooms_is_the_one_that_imports_keep_to():
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    kept = [set(layer.split(" | ")) for layer in layers["contracts"][0]["layers"]]
    floors = re.findall(r"^\| (\d+) \| `([\w/]+)` \|", CONTRIBUTING.read_text(), re.MULTILINE)
    shown = {}
    for floor, room in floors:
        shown.setdefault(int(floor), set()).add(room.rstrip("/"))
    assert [shown[floor] for floor in sorted(shown, reverse=True)] == kept


def test_the_files_that_contributors_are_sent_to_exist():
    paths = re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]+)`", CONTRIBUTING.read_text())
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
