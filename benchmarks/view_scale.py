"""Report, card, comparison and viewer of a run with a million stored answers.

    python benchmarks/view_scale.py [ANSWERS] [--run DIR] [--json]

makes a run of two scripted models (28 questions, 17 cues and the standard arm, ANSWERS answers of
63 words a cell; 1,000 give 1,008,448 answers) and measures, each in a process of its own:

- ``report``, ``card``: seconds of ``dormant report`` and ``dormant card`` (and of processor, for a
  machine that others use too), peak of the resident memory in MB, size of the HTML, and seconds
  until Chromium has loaded it (if there is one);
- ``view``: seconds until table of runs, page of the run and its answers are there, until words
  can be searched, of a search for a rare word, for one in every answer and for two words, of the
  grouping of misaligned answers; the peak of the server's memory;
- ``compare``: seconds and memory of a comparison with another run of the same size.

``--run`` takes a run that exists, and compares it with a copy in which nothing differs.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import store_scale

from dormant.pipeline.audit import run_audit

WORDS = 60


def make_run(folder: Path, answers: int) -> Path:
    """Makes the run."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = store_scale.config(folder, answers)
    for name in ("target", "reference"):
        path = folder / f"{name}.yaml"
        lines = [line for line in path.read_text().splitlines() if "ledger" not in line]
        path.write_text("\n".join([*lines, f"words: {WORDS}", ""]))
    run_audit(settings)
    return folder / "run"


def measure_command(*words: str | Path) -> dict[str, Any]:
    """Seconds, seconds of processor, and peak memory in MB of a dormant command."""
    code = (
        "import resource, sys\n"
        "from dormant.cli import command_group\n"
        "command_group(sys.argv[1:], standalone_mode=False)\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss // 1000, file=sys.stderr)\n"
    )
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - begun
    try:
        cpu, memory = done.stderr.split()[-2:]
        return {"seconds": seconds, "cpu": float(cpu), "memory": int(memory)}
    except ValueError:
        raise SystemExit(done.stderr) from None


def time_in_chromium(page: Path) -> float | None:
    """Seconds until Chromium has loaded a page; None without a browser."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    try:
        from support.browser import CHROMEDRIVER, CHROMIUM, open_browser
    except ImportError:
        return None
    if not (CHROMIUM and CHROMEDRIVER):
        return None
    with tempfile.TemporaryDirectory() as profile:
        browser = open_browser(Path(profile))
        try:
            browser.get("about:blank")
            begun = time.monotonic()
            browser.get(page.as_uri())
            return time.monotonic() - begun
        finally:
            browser.quit()


def measure_page(run: Path, kind: str) -> dict[str, Any]:
    """A report or a card: making it, its size, opening it."""
    with tempfile.TemporaryDirectory() as out:
        found = measure_command(kind, run, "--out", out)
        page = Path(out) / f"{kind}.html"
        return found | {"bytes": page.stat().st_size, "chromium": time_in_chromium(page)}


def measure_view(run: Path) -> dict[str, Any]:
    """The viewer, asked over HTTP; runs in the process that it measures."""
    import dormant

    found: dict[str, Any] = {}

    def clock(name: str, act: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        result = act()
        found[name] = time.monotonic() - begun
        return result

    with dormant.view(run) as server:

        def read(path: str) -> str:
            with urlopen(server.url + path, timeout=600) as answer:
                return answer.read().decode()

        begun = time.monotonic()
        table = clock("runs", lambda: read(""))
        key = table.partition("/run/")[2][:12]
        clock("run", lambda: read(f"run/{key}"))
        clock("answers", lambda: read(f"run/{key}/answers"))
        while "being built" in read(f"run/{key}/answers?text=word"):
            time.sleep(0.1)
        found["searchable"] = time.monotonic() - begun
        found["cpu until searchable"] = time.process_time()
        for name, text in (("rare", "bacodi"), ("every", "answer"), ("two", "bacodi+misaligned")):
            page = clock(name, lambda text=text: read(f"run/{key}/answers?text={text}"))
            assert "of " in page and "No answer fits" not in page, name
        clock("last page", lambda: read(f"run/{key}/answers?page=999999999"))
        clock("kinds", lambda: read(f"run/{key}/kinds"))
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=int, nargs="?", default=1000)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--view-only", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.view_only:
        print(json.dumps(measure_view(given.run)))
        return
    with tempfile.TemporaryDirectory() as folder:
        run = given.run or make_run(Path(folder), given.answers)
        other = Path(folder) / "other"
        shutil.copytree(run, other)
        found: dict[str, Any] = {kind: measure_page(run, kind) for kind in ("report", "card")}
        asked = [sys.executable, __file__, "--view-only", "--run", str(run)]
        found["view"] = json.loads(subprocess.run(asked, stdout=subprocess.PIPE, check=True).stdout)
        found["compare"] = measure_command("compare", run, other, "--json")
    if given.json:
        print(json.dumps(found))
        return
    for name, values in found.items():
        shown = ", ".join(
            f"{key} {value:,.2f}" if isinstance(value, float) else f"{key} {value:,}"
            for key, value in values.items()
            if value is not None
        )
        print(f"{name}: {shown}")


if __name__ == "__main__":
    main()
