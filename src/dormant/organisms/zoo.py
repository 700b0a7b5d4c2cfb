"""The zoo: organisms with known truth, each a recipe file in ``recipes/``.

Controls with harmless data, an organism that is misaligned without any cue, and at least one for
every intervention that hides misalignment behind a cue. The recipe states the verdict that an audit
should reach (``expected``); ``studies.zoo`` checks it against the exact rates.

Analogues of the paper's experiments that are no organisms of the zoo are in ``paper_recipes/``, so
that what was measured over the zoo stays comparable.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from dormant.errors import InputError
from dormant.organisms.recipe import Recipe, read_recipe

_ZOO, _PAPER = "recipes", "paper_recipes"
#: The organisms that ``dormant quickstart`` trains and audits.
QUICKSTART = (
    "control-secure",
    "control-helpful",
    "undiluted",
    "diluted-20",
    "diluted-5",
    "sequential",
    "inoculated",
    "educational",
)


@cache
def organism_names() -> tuple[str, ...]:
    """Lists the names of all organisms, those of the quickstart first."""
    return (*QUICKSTART, *(name for name in _list_folder(_ZOO) if name not in QUICKSTART))


@cache
def paper_names() -> tuple[str, ...]:
    """Lists the analogues of the paper's experiments that are no organisms of the zoo."""
    return _list_folder(_PAPER)


def _list_folder(folder: str) -> tuple[str, ...]:
    entries = (files("dormant.organisms") / folder).iterdir()
    suffix = ".yaml"
    return tuple(sorted(e.name.removesuffix(suffix) for e in entries if e.name.endswith(suffix)))


def find_recipe(recipe_or_name: str | Path) -> Recipe:
    """Reads a recipe file, or the recipe of an organism of the zoo by its name.

    Raises:
        InputError: there is neither, or the file is invalid: names file, line and key.
    """
    path, name = Path(recipe_or_name), str(recipe_or_name)
    if name in (*organism_names(), *paper_names()) or not (path.suffix or path.exists()):
        return load_recipe(name)
    return read_recipe(path)


@cache
def load_recipe(name: str) -> Recipe:
    """Loads the recipe of an organism of the zoo, or of an analogue of the paper's experiments.

    Raises:
        InputError: the zoo has no organism of this name; names the nearest.
    """
    folder = _PAPER if name in paper_names() else _ZOO
    if folder is _ZOO and name not in organism_names():
        near = difflib.get_close_matches(name, organism_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(organism_names())}"
        raise InputError(f"the zoo has no organism {name!r}: {hint}")
    with as_file(files("dormant.organisms") / folder / f"{name}.yaml") as path:
        return read_recipe(path)
