"""The Jinja environment of all pages: everything escaped, every hidden character spelled out."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dormant.report import escape as escaping
from dormant.report import figures, numbers
from dormant.report.escape import shown

#: Longest text that a page prints, whatever a template forgets to cut.
_LONGEST = 20_000


def _finalize(value: Any) -> Any:
    return shown(value, _LONGEST) if type(value) is str else value


def _words(text: str) -> str:
    return text.replace("_", " ")


def _plain(value: float) -> str:
    return f"{value:g}"


@cache
def environment() -> Environment:
    """The environment; an unknown name in a template is an error, never an empty string."""
    env = Environment(
        loader=PackageLoader("dormant.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {
        "clip": shown,
        "line": escaping.one_line,
        "words": _words,
        "percent": numbers.percent,
        "points": numbers.points,
        "margin": numbers.margin,
        "rate_interval": numbers.rate_interval,
        "rate_range": numbers.rate_range,
        "of_all": numbers.of_all,
        "points_interval": numbers.points_interval,
        "points_range": numbers.points_range,
        "undefined_reason": numbers.undefined_reason,
        "defined": numbers.defined,
        "count": numbers.count,
        "number": numbers.number,
        "plain": _plain,
        "duration": numbers.duration,
        "usd": numbers.usd,
    }
    env.filters.update(filters)
    names: dict[str, Any] = {"figures": figures}
    env.globals.update(names)
    return env


@cache
def asset(name: str) -> str:
    """The text of a style sheet or script that ships beside the templates."""
    return (files("dormant.report") / "templates" / name).read_text(encoding="utf-8")


def style() -> str:
    """The style sheet of all pages, as it stands in a style element."""
    return asset("style.css")


def policy(script: str = "") -> str:
    """The Content-Security-Policy of a page: no request at all, no script but this one."""
    scripts = "'none'"
    if script:
        scripts = f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {scripts}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def render(template: str, **context: Any) -> str:
    """Renders a template to a page that is valid UTF-8."""
    return environment().get_template(template).render(**context)
