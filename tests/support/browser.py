"""Chromium for tests: opened once a session, with a log of everything that a page asks for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def open_browser(profile: Path) -> Any:
    """Opens headless Chromium with an empty profile."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for option in OPTIONS:
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=CHROMEDRIVER)
    )


def visit(browser: Any, page: Path | str, width: int = 1280, scheme: str = "light") -> None:
    """Opens a file or an address, and forgets what was logged before."""
    set_scheme(browser, scheme)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # reading a log empties it
    browser.get(page if isinstance(page, str) else page.as_uri())


def set_scheme(browser: Any, scheme: str) -> None:
    """Lets the user want light or dark pages, and no motion.

    A click that aims at a page in smooth motion misses.
    """
    media = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def open_folds(browser: Any) -> None:
    """Opens everything that is folded."""
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")


def list_requests(browser: Any) -> list[str]:
    """Addresses that were asked for since the visit began, the page itself first."""
    messages = [json.loads(row["message"])["message"] for row in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def list_complaints(browser: Any) -> list[str]:
    """What the console says since the visit began."""
    return [row["message"] for row in browser.get_log("browser")]


def find_barriers(browser: Any, rules: Sequence[str] = ()) -> list[str]:
    """Serious and critical violations that axe finds in the open page.

    Args:
        browser: with the page.
        rules: only these rules of axe; all if empty.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = _run_axe(browser, options)
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"][:3]
    ]


def _run_axe(browser: Any, options: dict[str, Any]) -> dict[str, Any]:
    from axe_core_python.base import AXE_SCRIPT

    if browser.execute_script("return typeof axe") == "undefined":
        browser.execute_script(AXE_SCRIPT)
    return browser.execute_async_script(
        "axe.run(document, arguments[0]).then(arguments[arguments.length - 1])", options
    )
