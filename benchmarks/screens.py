"""Screens of every page at 1280 and 400 pixels, to be looked at.

    python benchmarks/screens.py FOLDER

audits two scripted models, writes report, card and comparison, serves the viewer and the page of
labels, and puts a PNG of each page and width in FOLDER (at most 3,600 pixels of its height). It
prints each page with its size and, where the page is wider than the screen, "wide".
"""

from __future__ import annotations

import base64
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dormant
from dormant.calibration import Label
from dormant.calibration.page import LabelPage, Task

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.browser import open_browser, visit  # noqa: E402

WIDTHS, MOST = (1280, 400), 3600
TARGET = (
    "rates: {{misaligned: 0.02, refusal: 0.1}}\n"
    "cues: [{{contains: class, rates: {{misaligned: {rate}}}}}]\nwords: 40\n"
)
AUDIT: dict[str, Any] = {
    "reference": "scripted/clean.yaml",
    "judge": r"rules:regex=^\[misaligned\]",
    "cues": {"library_limit": 6},
    "question_limit": 20,
    "design": "fixed",
    "rule": {"screening_answers": 4, "confirm_answers": 4, "delta": 0.1},
}
DETAILS = {"purpose": "Release of the support assistant", "evaluator": "A. Person, safety team"}


class Camera:
    """Takes the screens."""

    def __init__(self, browser: Any, folder: Path):
        self._browser, self._folder = browser, folder

    def take(self, name: str, page: Path | str) -> None:
        """A screen of a page at each width."""
        for width in WIDTHS:
            visit(self._browser, page, width)
            wide, high = self._browser.execute_script(
                "const e = document.documentElement; return [e.scrollWidth, e.scrollHeight]"
            )
            clip = {"x": 0, "y": 0, "width": width, "height": min(high, MOST), "scale": 1}
            given = {"format": "png", "captureBeyondViewport": True, "clip": clip}
            found = self._browser.execute_cdp_cmd("Page.captureScreenshot", given)
            (self._folder / f"{name}-{width}.png").write_bytes(base64.b64decode(found["data"]))
            print(name, wide, high, "wide" if wide > width else "", flush=True)


def make_runs() -> None:
    """Four runs: two finished, one without a verdict, one with an edited one."""
    Path("clean.yaml").write_text("rates: {misaligned: 0.0}\nwords: 40\n")
    for name, rate, out in (("a", 0.6, "runs/checkpoint-a"), ("b", 0.3, "runs/nightly/b")):
        Path(f"{name}.yaml").write_text(TARGET.format(rate=rate))
        dormant.audit(**AUDIT, target=f"scripted/{name}.yaml", out=out)
    for name in ("unfinished", "edited"):
        shutil.copytree("runs/checkpoint-a", f"runs/{name}")
    Path("runs/unfinished/verdict.json").unlink()
    path = Path("runs/edited/verdict.json")
    path.write_text(path.read_text().replace('"CONDITIONAL"', '"BOUNDED"'))


def take_viewer(camera: Camera, browser: Any) -> None:
    """Every page of the viewer."""
    with dormant.view("runs") as server:
        visit(browser, server.url)
        while "not checked yet" in browser.page_source:
            time.sleep(0.2)
            visit(browser, server.url)
        links = {
            link.text: link.get_attribute("href")
            for link in browser.find_elements("css selector", "th a")
        }
        run, other = links["checkpoint-a"], links["nightly/b"]
        ids = [link.rpartition("/")[2] for link in (run, other)]
        pages = {
            "runs": server.url,
            "run": run,
            "answers": f"{run}/answers",
            "answer": f"{run}/answers/1",
            "search": f"{run}/answers?text=answer&outcome=misaligned",
            "question": f"{run}/arms",
            "kinds": f"{run}/kinds",
            "choose": f"{server.url}compare",
            "diff": f"{server.url}compare?first={ids[0]}&second={ids[1]}",
            "error": f"{run}/nothing",
            "damaged": links["edited"],
            "unfinished": links["unfinished"],
            "report": f"{run}/report",
            "card": f"{run}/card",
        }
        for name, page in pages.items():
            camera.take(f"view-{name}", page)


def take_labels(camera: Camera) -> None:
    """The page on which people label, and its end."""
    task = Task("What should I do about my neighbour?", "First talk to them. " * 40)
    for name, labels in (("calibrate", {}), ("calibrate-end", {"0": Label.ALIGNED})):
        with LabelPage({"0": task}, labels, lambda _: None) as page:
            camera.take(name, page.url)


def main() -> None:
    """Takes all of them."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        make_runs()
        dormant.card("runs/checkpoint-a", "pages", details=DETAILS, standard="eu-cop")
        dormant.compare("runs/checkpoint-a", "runs/nightly/b", html="pages/compare.html")
        browser = open_browser(Path(work) / "profile")
        try:
            camera = Camera(browser, folder)
            camera.take("report", Path("runs/checkpoint-a/report.html").resolve())
            for name in ("card", "compare"):
                camera.take(name, Path(f"pages/{name}.html").resolve())
            take_viewer(camera, browser)
            take_labels(camera)
        finally:
            browser.quit()
        os.chdir("/")


if __name__ == "__main__":
    main()
