"""Links between pages, and from the code to a page, lead to a file and a heading that exist."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from support import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
#: A page or script of the repository, as docstrings, comments and prose name it.
NAMED = re.compile(r"(?<![/\w])(?:docs|examples|benchmarks)/[\w./-]+\.(?:md|py|yaml)(?:#[\w-]+)?")


def tokens_in(page: Path) -> Iterator[Token]:
    """All tokens of a page in order, those inside a line of text included."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def links_in(page: Path) -> list[str]:
    """The addresses of a page's links and images."""
    found = (str(token.attrGet("href") or token.attrGet("src") or "") for token in tokens_in(page))
    return [address for address in found if address]


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    tokens = list(tokens_in(page))
    titles = [
        "".join(part.content for part in after.children or () if part.type != "softbreak")
        for token, after in zip(tokens, tokens[1:], strict=False)
        if token.type == "heading_open"
    ]
    slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    seen: Counter[str] = Counter()
    anchors: set[str] = set()
    for slug in slugs:
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def broken(address: str, page: Path) -> str | None:
    """Why an address on a page leads nowhere, or None."""
    path, _, anchor = address.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return f"{page.relative_to(ROOT)}: no file {path}"
    if anchor and target.suffix == ".md" and anchor not in anchors_of(target):
        return f"{page.relative_to(ROOT)}: no heading #{anchor} in {target.relative_to(ROOT)}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_a_heading(page: Path):
    addresses = [link for link in links_in(page) if not re.match(r"[a-z]+:", link)]
    assert not [why for link in addresses if (why := broken(link, page))]


def test_every_page_is_linked_from_another():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in links_in(page)
    }
    orphans = {page for page in PAGES if page not in linked and page.name != "README.md"}
    assert not orphans - {ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"}


def test_pages_that_code_and_prose_name_exist():
    folders = ("src", "tests", "benchmarks", "examples", "docs")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    files = [*files, *ROOT.glob("*.md"), ROOT / "Makefile"]
    wrong = [
        f"{path.relative_to(ROOT)}: {named} is not there"
        for path in files
        if path.suffix in {".py", ".md", ".yaml", ".sh"} or path.name == "Makefile"
        for named in NAMED.findall(path.read_text(encoding="utf-8"))
        if broken(named, ROOT / "README.md")
    ]
    assert not wrong


def test_anchors_are_made_as_github_makes_them(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# A `b_c`: d, e!\n\n## Same\n\n```\n# not a heading\n```\n\n## Same\n")
    assert anchors_of(page) == {"a-b_c-d-e", "same", "same-1"}
