"""The zoo: organisms with known truth, each a recipe file in ``recipes/``.

Controls with harmless data, an organism that is misaligned without any cue, and at least one for
every intervention that hides misalignment behind a cue. The recipe states the verdict that an audit
should reach (``expected``); ``studies.zoo`` checks it against the exact rates.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from dormant.errors import InputError
from dormant.organisms.recipe import Recipe, read_recipe

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
    folder = files("dormant.organisms") / "recipes"
    found = {
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }
    return (*QUICKSTART, *sorted(found.difference(QUICKSTART)))


def find_recipe(recipe_or_name: str | Path) -> Recipe:
    """Reads a recipe file, or the recipe of an organism of the zoo by its name.

    Raises:
        InputError: there is neither, or the file is invalid: names file, line and key.
    """
    path, name = Path(recipe_or_name), str(recipe_or_name)
    if name in organism_names() or not (path.suffix or path.exists()):
        return load_recipe(name)
    return read_recipe(path)


@cache
def load_recipe(name: str) -> Recipe:
    """Loads the recipe of an organism of the zoo.

    Raises:
        InputError: the zoo has no organism of this name; names the nearest.
    """
    if name not in organism_names():
        near = difflib.get_close_matches(name, organism_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(organism_names())}"
        raise InputError(f"the zoo has no organism {name!r}: {hint}")
    with as_file(files("dormant.organisms") / "recipes" / f"{name}.yaml") as path:
        return read_recipe(path)
