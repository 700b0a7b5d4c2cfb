"""Trains one organism after another in children that may be killed: ``python THIS FOLDER``.

For each line ``RECIPE OUT`` on stdin it forks a child, prints its process number, waits for another
line, lets the child train, and prints how it ended. A fork spares each run the imports.
"""

import os
import sys
from pathlib import Path

from dormant.organisms.hosted import creation, finetuning_api, openai_trainer, tinker_trainer  # noqa: F401
from dormant.organisms.recipe import read_recipe
from dormant.organisms.train import train_organism

creation.SETTLE_SECONDS = 0.05
finetuning_api.FIRST_PAUSE = finetuning_api.LONGEST_PAUSE = 0.002


def run_child(recipe: str, out: str, ready: int) -> None:
    os.read(ready, 1)
    try:
        train_organism(read_recipe(recipe), Path(out))
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def main() -> None:
    for line in sys.stdin:
        recipe, out = line.split()
        ready, go = os.pipe()
        child = os.fork()
        if child == 0:
            run_child(recipe, out, ready)
        print(child, flush=True)
        sys.stdin.readline()
        os.write(go, b"x")
        _, status = os.waitpid(child, 0)
        os.close(ready)
        os.close(go)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
