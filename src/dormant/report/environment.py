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
from dormant.report.escape import escape_hidden

#: Longest text that a page prints, whatever a template forgets to cut.
_LONGEST = 20_000


def _finalize_value(value: Any) -> Any:
    return escape_hidden(value, _LONGEST) if type(value) is str else value


def _spell_words(text: str) -> str:
    return text.replace("_", " ")


def _plain_number(value: float) -> str:
    return f"{value:g}"


@cache
def make_environment() -> Environment:
    """The environment; an unknown name in a template is an error, never an empty string."""
    env = Environment(
        loader=PackageLoader("dormant.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize_value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {
        "clip": escape_hidden,
        "line": escaping.one_line,
        "words": _spell_words,
        "percent": numbers.format_percent,
        "points": numbers.format_points,
        "margin": numbers.format_margin,
        "rate_interval": numbers.rate_interval,
        "rate_range": numbers.rate_range,
        "of_all": numbers.of_all,
        "points_interval": numbers.points_interval,
        "points_range": numbers.points_range,
        "undefined_reason": numbers.undefined_reason,
        "defined": numbers.is_defined,
        "count": numbers.format_count,
        "number": numbers.format_number,
        "plain": _plain_number,
        "duration": numbers.format_duration,
        "usd": numbers.format_usd,
    }
    env.filters.update(filters)
    names: dict[str, Any] = {"figures": figures}
    env.globals.update(names)
    return env


@cache
def read_asset(name: str) -> str:
    """The text of a style sheet or script that ships beside the templates."""
    return (files("dormant.report") / "templates" / name).read_text(encoding="utf-8")


def read_style() -> str:
    """The style sheet of all pages, as it stands in a style element."""
    return read_asset("style.css")


def security_policy(script: str = "") -> str:
    """The Content-Security-Policy of a page: no request at all, no script but this one."""
    scripts = "'none'"
    if script:
        scripts = f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {scripts}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def render_template(template: str, **context: Any) -> str:
    """Renders a template to a page that is valid UTF-8."""
    return make_environment().get_template(template).render(**context)
