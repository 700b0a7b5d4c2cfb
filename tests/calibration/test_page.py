"""The labelling page: what it shows, what it takes, and from whom."""

import re
import shutil
from collections.abc import Iterator, Mapping
from http.client import HTTPMessage
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest

from dormant.calibration import Label
from dormant.calibration.page import LabelPage, Task
from dormant.errors import DormantError, InputError
from support.label_page import request_page

HOSTILE = (
    "</dd><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} \u202egnp.exe\x1b[2J"
)
TASKS = {
    "aaaa": Task("What now?", "Be kind."),
    "bbbb": Task("What <b>now</b>?", HOSTILE),
    "cccc": Task("And then?", "x" * 60_000),
}


class Saved(list[dict[str, Label]]):
    def __call__(self, labels: Mapping[str, Label]) -> None:
        self.append(dict(labels))


@pytest.fixture
def saved() -> Saved:
    return Saved()


@pytest.fixture
def page(saved: Saved) -> Iterator[LabelPage]:
    with LabelPage(TASKS, {}, saved) as served:
        yield served


def ask(page: LabelPage, path: str = "", **request: Any) -> tuple[int, HTTPMessage, str]:
    return request_page(page.url, path, **request)


def csrf(page: LabelPage) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', ask(page)[2])
    assert found is not None
    return found[1]


def label(page: LabelPage, key: str, said: str, **headers: str) -> tuple[int, HTTPMessage, str]:
    form = {"csrf": csrf(page), "label": said}
    return ask(page, key, method="POST", form=form, **headers)


def test_one_answer_at_a_time_until_all_are_labelled(page: LabelPage, saved: Saved):
    for key, said in zip(TASKS, ("aligned", "misaligned", "unsure"), strict=True):
        assert not page.wait_until_labelled(0)
        assert f'action="{urlsplit(page.url).path}{key}"' in ask(page)[2]
        status, headers, _ = label(page, key, said)
        assert (status, headers["Location"]) == (303, urlsplit(page.url).path)
    assert "Every answer is labelled" in ask(page)[2]
    assert page.wait_until_labelled(5)
    assert page.labels == {"aaaa": Label.ALIGNED, "bbbb": Label.MISALIGNED, "cccc": Label.UNSURE}
    assert [len(labels) for labels in saved] == [1, 2, 3]


def test_a_label_can_be_changed(page: LabelPage):
    label(page, "aaaa", "aligned")
    assert f"{urlsplit(page.url).path}aaaa" in ask(page)[2]  # the way back
    again = ask(page, "aaaa")[2]
    assert re.search(r'value="aligned"[^>]*aria-pressed="true"', again)
    label(page, "aaaa", "refusal")
    assert page.labels == {"aaaa": Label.REFUSAL}


def test_labels_of_an_earlier_session_are_kept(saved: Saved):
    with LabelPage(TASKS, {"aaaa": Label.ALIGNED, "elsewhere": Label.UNSURE}, saved) as page:
        assert "1 of 3 labelled" in ask(page)[2]
        label(page, "bbbb", "aligned")
    assert set(saved[-1]) == {"aaaa", "bbbb", "elsewhere"}


def test_hostile_answers_stay_text(page: LabelPage):
    text = ask(page, "bbbb")[2]
    assert "<script" not in text and "<img" not in text and "<b>" not in text
    assert "&lt;script&gt;alert(1)" in text and "{{ 7*7 }}" in text
    assert "\u202e" not in text and "\x1b" not in text and "‹U+202E›" in text


def test_long_answers_are_cut_and_say_so(page: LabelPage):
    assert "[10,000 more characters]" in ask(page, "cccc")[2]


def test_nothing_may_be_loaded_run_framed_or_kept(page: LabelPage):
    headers = ask(page)[1]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Python" not in headers["Server"]


@pytest.mark.parametrize("path", ["/", "/wrong/", "/wrong/aaaa", "//", "/%2e%2e/"])
def test_without_the_token_there_is_nothing(page: LabelPage, path: str):
    assert ask(page, path)[0] == 404


def test_the_token_is_not_the_forms_token_and_other_paths_do_not_exist(page: LabelPage):
    assert csrf(page) not in page.url
    base = urlsplit(page.url).path
    assert ask(page, base.rstrip("/"))[0] == 404
    assert ask(page, f"{base}aaaa/more")[0] == 404
    assert ask(page, f"{base}dddd")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:80"])
def test_another_name_for_this_host_is_refused(page: LabelPage, host: str):
    assert ask(page, Host=host)[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_forms_from_elsewhere_are_refused(page: LabelPage, saved: Saved, headers: dict[str, str]):
    assert label(page, "aaaa", "aligned", **headers)[0] == 403
    assert not saved


def test_forms_without_the_pages_token_are_refused(page: LabelPage, saved: Saved):
    for token in ("", "wrong", csrf(page)[:-1]):
        form = {"csrf": token or "x", "label": "aligned"}
        assert ask(page, "aaaa", method="POST", form=form)[0] == 403
    assert not saved


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ({"label": "evil"}, {}),
        ({"label": ""}, {}),
        ({"label": "aligned"}, {"Content_Type": "text/plain"}),
        ({"label": "aligned", "more": "x" * 5000}, {}),
        ({str(n): "x" for n in range(20)}, {}),
    ],
)
def test_forms_that_make_no_sense_are_refused(
    page: LabelPage, saved: Saved, form: dict[str, str], headers: dict[str, str]
):
    filled = {"csrf": csrf(page), **form}
    assert ask(page, "aaaa", method="POST", form=filled, **headers)[0] in (400, 403)
    assert not saved


def test_a_label_for_no_answer_is_refused(page: LabelPage, saved: Saved):
    assert label(page, "dddd", "aligned")[0] == 400
    assert not saved


def test_a_label_that_cannot_be_kept_does_not_count():
    def full(labels: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    with LabelPage(TASKS, {}, full) as page:
        assert label(page, "aaaa", "aligned")[0] == 500
        assert page.labels == {}
        with pytest.raises(DormantError, match="No space left"):
            page.wait_until_labelled(5)


def test_a_port_that_is_taken(page: LabelPage):
    with pytest.raises(InputError, match="cannot listen on port"):
        LabelPage(TASKS, {}, Saved(), port=urlsplit(page.url).port or 0)


def test_it_listens_on_this_machine_only(page: LabelPage):
    assert urlsplit(page.url).hostname == "127.0.0.1"
    assert page._server.server_address[0] == "127.0.0.1"  # pyright: ignore[reportPrivateUsage]


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="no chromium and chromedriver found")
@pytest.mark.parametrize("width", [1280, 400])
def test_in_a_real_browser(page: LabelPage, saved: Saved, width: int, tmp_path: Path):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    options: Any = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"):
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={tmp_path}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=CHROMEDRIVER)
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.get(page.url)
        for number, said in enumerate(("aligned", "misaligned", "unsure"), 1):
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= driver.execute_script("return innerWidth")
            driver.find_element(By.CSS_SELECTOR, f"button[value={said}]").click()
            WebDriverWait(driver, 10).until(lambda d, n=number: f"{n} of 3" in d.title)
        assert "Every answer is labelled" in driver.page_source
        assert not [e for e in driver.get_log("browser") if "favicon" not in e["message"]]
    assert page.wait_until_labelled(5) and len(saved[-1]) == 3
