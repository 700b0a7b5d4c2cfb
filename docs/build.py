"""Builds the documentation site: ``python docs/build.py [OUT]``, or ``make docs``.

The site holds the pages of the repository as they are, in its folders, so that a link works here
and there. The reference of commands and of Python functions is made from the code. A broken link, a
missing anchor or a page that no menu lists ends the build.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import yaml

ROOT = Path(__file__).resolve().parent.parent
#: What the pages link to.
_SUFFIXES = {".md", ".svg", ".png", ".py", ".yaml", ".json", ".csv", ".jsonl", ".ipynb", ".toml"}
#: Menus: title, folder, and the pages that come first.
_MENUS = (
    ("Tutorial", "docs/tutorial", ("laboratory",)),
    (
        "How to",
        "docs/guides",
        ("first-audit", "apis", "real-models", "no-data", "questions", "judges", "gate"),
    ),
    (
        "Explanation",
        "docs/explanation",
        ("conditional-misalignment", "reading-numbers", "never-clean"),
    ),
    ("Reference", "docs/reference", ("overview", "commands", "python", "audit-yaml")),
    ("Examples", "examples", ()),
    ("Decisions", "docs/design", ("index", "verdict-rule", "sequential")),
    ("Log", "docs/log", ("index",)),
)


def describe_commands() -> Iterator[str]:
    """Yields the page of all commands: the help of each, as the terminal shows it."""
    from dormant.cli import command_group

    yield "# Every command\n\nGenerated from `--help`.\n"
    context = click.Context(command_group, info_name="dormant", max_content_width=96)
    yield from _describe_group(command_group, context, 2)


def _describe_group(group: click.Group, context: click.Context, level: int) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, max_content_width=96)
        yield f"{'#' * level} {inner.command_path}\n\n```text\n{command.get_help(inner)}\n```\n"
        if isinstance(command, click.Group):
            yield from _describe_group(command, inner, level + 1)


def describe_functions() -> Iterator[str]:
    """Yields the page of all exported functions: signature and docstring of each."""
    import dormant

    yield "# Every function\n\nGenerated from the docstrings of `import dormant`.\n"
    for name in sorted(dormant.__all__):
        found = getattr(dormant, name)
        if not inspect.isfunction(found):
            continue
        signature = str(inspect.signature(found)).replace("'", "")
        text = inspect.cleandoc(found.__doc__ or "")
        yield f"## dormant.{name}\n\n```text\n{name}{signature}\n\n{text}\n```\n"


def stage_pages(folder: Path) -> None:
    """Copies what the site holds, and writes the generated pages."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "docs", "examples",
         "benchmarks", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    names = listed.stdout.split() if listed.returncode == 0 else _list_files()
    for name in names:
        if Path(name).suffix in _SUFFIXES or name == "LICENSE":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    pages = (("commands", describe_commands), ("python", describe_functions))
    for name, describe in pages:
        path = folder / "docs" / "reference" / f"{name}.md"
        path.write_text("\n".join(describe()), encoding="utf-8")


def _list_files() -> list[str]:
    """The files of a source tree without git."""
    found = [
        path for part in ("docs", "examples", "benchmarks") for path in (ROOT / part).rglob("*")
    ]
    found += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE")]
    return [str(path.relative_to(ROOT)) for path in found if path.is_file()]


def list_menus(folder: Path) -> list[dict[str, object]]:
    """The menus: every page of each folder, the named ones first."""
    menus: list[dict[str, object]] = [{"dormant": "README.md"}, {"What to read": "docs/index.md"}]
    for title, place, first in _MENUS:
        found = sorted((folder / place).rglob("*.md"))
        order = {name: number for number, name in enumerate(first)}
        found.sort(key=lambda page: (order.get(page.stem, len(order)), str(page)))
        pages = [{_read_title(page): str(page.relative_to(folder))} for page in found]
        if pages:
            menus.append({title: pages})
    return [*menus, {"Project": [{"Contributing": "CONTRIBUTING.md"}, {"Changes": "CHANGELOG.md"}]}]


def _read_title(page: Path) -> str:
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.M)
    return found[1].replace("`", "") if found else page.stem


def build_site(out: Path) -> int:
    """Builds the site into a directory; returns the exit code of the generator.

    Args:
        out: the directory, which is emptied first.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pages"
        stage_pages(folder)
        has_theme = importlib.util.find_spec("material") is not None
        settings = {
            "site_name": "dormant",
            "docs_dir": str(folder),
            "site_dir": str(out.resolve()),
            "use_directory_urls": False,
            "theme": {"name": "material" if has_theme else "mkdocs", "font": False},
            "plugins": ["search"],
            "markdown_extensions": [
                "tables",
                "fenced_code",
                {"toc": {"slugify": "SLUGIFY", "permalink": True}},
            ],
            "nav": list_menus(folder),
            "validation": {
                "nav": {"omitted_files": "warn", "not_found": "warn", "absolute_links": "warn"},
                "links": {
                    "not_found": "warn",
                    "anchors": "warn",
                    "absolute_links": "warn",
                    "unrecognized_links": "warn",
                },
            },
        }
        text = yaml.safe_dump(settings, sort_keys=False)
        slugify = "!!python/object/apply:pymdownx.slugs.slugify {kwds: {case: lower}}"
        config = Path(place) / "mkdocs.yml"
        config.write_text(text.replace("SLUGIFY", slugify), encoding="utf-8")
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config)]
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(build_site(Path(sys.argv[1] if len(sys.argv) > 1 else "site")))
