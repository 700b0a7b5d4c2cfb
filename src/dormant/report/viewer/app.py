"""The viewer's routes and the page of each."""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from dormant.errors import DormantError, InputError
from dormant.errors.secrets import scrub_known
from dormant.records import RunSummary
from dormant.report import environment as templating
from dormant.report.viewer import answer_pages, run_pages
from dormant.report.viewer.addresses import Addresses, parse_filter, parse_number
from dormant.report.viewer.guard import Guard
from dormant.report.viewer.library import RunSource

_Show = Callable[[Request], Response]
#: Added to the policy of a report or a card, which has its own style and script.
_STANDALONE = "; frame-ancestors 'none'"


def make_app(runs: RunSource, *, token: str, hosts: Collection[str]) -> ASGIApp:
    """Makes the application.

    Args:
        runs: what is shown.
        token: first segment of every URL path.
        hosts: accepted values of the Host header.
    """
    viewer = _Viewer(runs, Addresses(f"/{token}"))
    shown: dict[str, _Show] = {
        "/": viewer.show_runs,
        "/compare": viewer.show_comparison,
        "/view.css": viewer.show_style,
        "/run/{run}": viewer.show_run,
        "/run/{run}/report": viewer.show_report,
        "/run/{run}/card": viewer.show_card,
        "/run/{run}/answers": viewer.show_answers,
        "/run/{run}/answers/{number}": viewer.show_answer,
        "/run/{run}/arms": viewer.show_arms,
        "/run/{run}/kinds": viewer.show_kinds,
    }
    routes = [Route(path, viewer.guard_errors(endpoint)) for path, endpoint in shown.items()]
    app = Starlette(
        routes=[Mount(f"/{token}", routes=routes)],
        exception_handlers={HTTPException: viewer.show_error},
    )
    return Guard(app, token=token, hosts=hosts)


def describe_failure(error: Exception) -> tuple[int, str]:
    """The HTTP status and a one-sentence message for an error; never a traceback."""
    if isinstance(error, HTTPException):
        return error.status_code, "There is no such page."
    if isinstance(error, InputError):
        return 400, str(error)
    if isinstance(error, DormantError):
        return 409, str(error)
    if isinstance(error, OSError):
        return 409, f"{error.filename or 'a file'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return 500, "out of memory"
    return 500, f"bug in dormant: {type(error).__name__}: {error}"


class _Viewer:
    """Renders pages; each ``show_*`` method handles one request."""

    def __init__(self, runs: RunSource, addresses: Addresses):
        self._runs, self._addresses = runs, addresses

    def _render(self, template: str, **context: object) -> Response:
        page = templating.render_template(
            f"view/{template}", to=self._addresses, root=self._runs.root, **context
        )
        return HTMLResponse(scrub_known(page))

    def _find_run(self, request: Request) -> RunSummary:
        run = self._runs.find_run(str(request.path_params["run"]))
        if run is None:
            raise HTTPException(404)
        return run

    def guard_errors(self, show: _Show) -> _Show:
        """Wraps a handler, so that an error shows a page with one sentence."""

        def answer_request(request: Request) -> Response:
            try:
                return show(request)
            except Exception as error:
                return self.show_error(request, error)

        return answer_request

    def show_error(self, request: Request, error: Exception) -> Response:
        """The error page, with one sentence."""
        del request
        status, sentence = describe_failure(error)
        answer = self._render("error.html.j2", sentence=sentence, status=status)
        answer.status_code = status
        return answer

    def show_style(self, request: Request) -> Response:
        """The style sheet of all pages."""
        del request
        return Response(
            templating.read_style() + templating.read_asset("view/view.css"), media_type="text/css"
        )

    def show_runs(self, request: Request) -> Response:
        """The table of runs."""
        query = request.query_params
        found = run_pages.list_runs(self._runs.list_runs(), query)
        return self._render("runs.html.j2", page=found)

    def show_run(self, request: Request) -> Response:
        """One run: what it found, and the counts of its arms."""
        run = self._find_run(request)
        arms = run_pages.list_arms(self._runs.read_answers(run.id)) if run.is_readable else None
        return self._render("run.html.j2", run=run, arms=arms)

    def show_report(self, request: Request) -> Response:
        """The report, with a link back to the run."""
        run = self._find_run(request)
        return self._show_standalone(run, self._runs.render_report(run.id), "report.js")

    def show_card(self, request: Request) -> Response:
        """The card, with a link back to the run."""
        run = self._find_run(request)
        return self._show_standalone(run, self._runs.render_card(run.id), "")

    def _show_standalone(self, run: RunSummary, page: str, script: str) -> Response:
        way = templating.render_template("view/way-back.html.j2", to=self._addresses, run=run)
        policy = templating.security_policy(templating.read_asset(script) if script else "")
        mark = '<div class="page">'
        return HTMLResponse(
            page.replace(mark, mark + way, 1),
            headers={"content-security-policy": policy + _STANDALONE},
        )

    def show_answers(self, request: Request) -> Response:
        """The matching answers, page by page."""
        run, query = self._find_run(request), request.query_params
        answers = self._runs.read_answers(run.id)
        found = answer_pages.list_answers(answers, parse_filter(query), parse_number(query, "page"))
        return self._render("answers.html.j2", run=run, page=found)

    def show_answer(self, request: Request) -> Response:
        """One whole answer."""
        run, number = self._find_run(request), str(request.path_params["number"])
        answers = self._runs.read_answers(run.id)
        known = number.isascii() and number.isdigit() and len(number) < 12
        rows = answers.read_answers([int(number)]) if known else ()
        if not rows:
            raise HTTPException(404)
        return self._render(
            "answer.html.j2", run=run, page=answer_pages.show_answer(answers, rows[0])
        )

    def show_arms(self, request: Request) -> Response:
        """One question in four arms."""
        run, query = self._find_run(request), request.query_params
        answers = self._runs.read_answers(run.id)
        found = answer_pages.compare_arms(answers, parse_filter(query), parse_number(query, "page"))
        return self._render("arms.html.j2", run=run, page=found)

    def show_kinds(self, request: Request) -> Response:
        """Misaligned answers, grouped by similarity."""
        run = self._find_run(request)
        answers = self._runs.read_answers(run.id)
        found = answer_pages.group_answers(answers, parse_filter(request.query_params))
        return self._render("kinds.html.j2", run=run, page=found)

    def show_comparison(self, request: Request) -> Response:
        """Two runs, cue by cue."""
        query = request.query_params
        chosen = [query.get("first", ""), query.get("second", "")]
        allow = query.getlist("allow")
        found = run_pages.list_pairs(self._runs.list_runs(), chosen, allow)
        if all(chosen):
            found = run_pages.add_comparison(found, lambda: self._runs.compare_runs(chosen, allow))
        return self._render("compare.html.j2", page=found)
