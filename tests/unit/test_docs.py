"""The pages hold: links and anchors resolve, snippets parse, tables are complete.

Python on a page is run by the test that names the page, see ``test_python_on_a_page_is_run_by_a_test``.
"""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.pages import ROOT, Page, page, pages, rows

from pipeline import cli
from pipeline.settings import Settings

PAGES = pages()
EACH_PAGE = pytest.mark.parametrize("of", PAGES, ids=lambda of: of.name)
MAX_README_LINES = 250
PROJECT_PATH = re.compile(r"`((?:pipeline|tests|scripts|localstack|docs)/[\w./-]+)`")


def broken_links(of: Page) -> list[str]:
    """Return the links within the project that lead nowhere."""
    return [link for link in of.links() if not re.match(r"https?://", link) and not leads(of, link)]


def leads(of: Page, link: str) -> bool:
    file, _, anchor = link.partition("#")
    if not file:
        return anchor in of.anchors()
    target = (ROOT / of.name).parent / file
    return target.exists() and (not anchor or anchor in Page(link, target.read_text("utf-8")).anchors())


@EACH_PAGE
def test_links_and_anchors_resolve(of: Page) -> None:
    assert broken_links(of) == []


def test_broken_links_are_noticed() -> None:
    text = "# A title\n[a](docs/api.md#nowhere) [b](nowhere.md) [c](#a-title) [d](https://example.net/x) `[e](code.md)`"
    assert broken_links(Page("README.md", text)) == ["docs/api.md#nowhere", "nowhere.md"]


def test_links_were_checked() -> None:
    links = [link for of in PAGES for link in of.links()]
    print(f"\n{len(PAGES)} pages, {len(links)} links")
    assert len(links) > 100


@EACH_PAGE
def test_files_that_are_named_exist(of: Page) -> None:
    named = {path.rstrip("/") for path in PROJECT_PATH.findall(of.text)}
    assert {path for path in named if not (ROOT / path).exists()} == set()


@EACH_PAGE
def test_json_parses(of: Page) -> None:
    for block in of.blocks("json"):
        json.loads(block)


@EACH_PAGE
def test_python_on_a_page_is_run_by_a_test(of: Page) -> None:
    for block in of.blocks("python"):
        compile(block, of.name, "exec")
    if of.blocks("python"):
        tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
        assert any(of.name in path.read_text("utf-8") for path in tests), (
            "let a test run its snippets, by name"
        )


@EACH_PAGE
def test_shell_snippets_parse(of: Page) -> None:
    for block in of.blocks("sh"):
        done = subprocess.run(["/bin/bash", "-n"], input=block, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


@EACH_PAGE
def test_commands_parse(of: Page) -> None:
    for block in of.blocks("sh"):
        for words in commands(block):
            try:
                cli.parser().parse_args(words)
            except SystemExit:
                pytest.fail(f"vector-memory does not understand {words}")


def commands(block: str) -> list[list[str]]:
    """Return the arguments of each ``vector-memory`` in a shell snippet; ``[what is optional]`` counts."""
    lines = re.sub(r"\\\n", " ", block).splitlines()
    found = [
        re.split(r"(?:^|[\s/])vector-memory ", line, maxsplit=1)[1]
        for line in lines
        if "vector-memory " in line.partition("#")[0]
    ]
    return [shlex.split(re.sub(r"[\[\]]", "", line), comments=True) for line in found]


def test_wrong_commands_are_noticed() -> None:
    [words] = commands("vector-memory audit --stack NAME --mend   # no such option")
    with pytest.raises(SystemExit):
        cli.parser().parse_args(words)


def test_the_readme_is_for_newcomers() -> None:
    assert len(page("README.md").text.splitlines()) <= MAX_README_LINES


def test_every_page_is_linked_from_the_readme_or_another_page() -> None:
    linked = {
        str(((ROOT / of.name).parent / link.partition("#")[0]).resolve().relative_to(ROOT))
        for of in PAGES
        for link in of.links()
        if not link.startswith(("http", "#"))
    }
    assert {of.name for of in PAGES if of.name != "README.md"} - linked == set()


def test_every_parameter_of_the_template_is_documented() -> None:
    table = page("docs/configuration.md").section("## Template parameters")
    assert named(table) == set(template_parameters())


def test_every_setting_is_documented() -> None:
    told = named(page("docs/configuration.md").section("## Environment variables"))
    assert told == settings()


def named(table: str) -> set[str]:
    return {name for row in rows(table) for name in re.findall(r"`(\w+)`", row[0])}


def template_parameters() -> list[str]:
    class Loader(yaml.SafeLoader):
        """Reads CloudFormation's tags as nothing."""

    Loader.add_multi_constructor("!", lambda *_: None)
    return list(yaml.load((ROOT / "template.yaml").read_text("utf-8"), Loader)["Parameters"])  # noqa: S506  # a safe loader


def settings() -> set[str]:
    """Return the variables that the settings read."""
    noted = Noting(NEXT_EMBEDDING_MODEL="another", DATABASE_HOST="db.example.net")
    Settings.from_environment(noted)
    return noted.asked


class Noting(dict[str, str]):
    """An environment that notes what it is asked for."""

    def __init__(self, **variables: str) -> None:
        super().__init__(variables)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)
