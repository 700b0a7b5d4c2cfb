"""``dormant search``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from dormant.cli.consent import confirm_cost
from dormant.cli.exit_codes import EXIT_CODES, exit_code_of
from dormant.cli.options import config_from, input_options, spending_options
from dormant.cli.progress import show_progress
from dormant.cli.tables import print_table, print_text
from dormant.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from dormant.discovery.results import Result
    from dormant.pipeline.search_inputs import SearchForecast


#: Options of this command only -> path of their keys in its settings.
_PLACES = {
    name: (name,) for name in ("target", "continuations", "chats", "grow", "candidates", "refine")
}


@click.command("search", epilog=EXIT_CODES)
@click.option("--target", required=True, help="Model under suspicion.")
@click.option("--reference", required=True, help="Model to compare with, e.g. the base.")
@input_options
@click.option("--judge", help="Judge of refinement's answers; as for `dormant audit`.")
@click.option("--question-limit", type=int, help="Screening questions that are scored.")
@click.option("--continuations", help="auto, general, vitro, or a YAML file.")
@click.option("--cue-file", help="A cues.yaml to rank with the other cues.")
@click.option("--chats", type=int, help="Free chats per opening and model.")
@click.option("--grow", type=int, help="Contexts that beam search may try.")
@click.option("--writer", help="A model that proposes cues.")
@click.option("--candidates", type=int, help="Cues passed on to the audit.")
@click.option("--refine", type=int, help="Hits to minimize.")
@click.option("--max-tokens", type=int, help="Longest judged answer, in tokens.")
@click.option("--seed", type=int, help="Seed of every random choice.")
@spending_options
@click.option("--out", required=True, help="The search's directory.")
@click.option("--audit", "confirm", is_flag=True, help="Confirm the candidates right away.")
@click.option("--exit-zero", is_flag=True, help="With --audit: exit with 0 whatever the verdict.")
@click.option("--yes", is_flag=True, help="With --audit: start it without asking what it costs.")
@click.option("--dry-run", is_flag=True, help="Show what would be asked, without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    confirm: bool,
    exit_zero: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Search for unknown triggers, with or without training data.

    Writes candidates to OUT/cues.yaml and the audit that confirms them to OUT/audit.yaml. A
    candidate is not a finding: only that audit, on held-out questions, gives a verdict. It can be
    interrupted at any time: the same command continues and repeats no request. If the budget is
    reached, it ends with exit code 4; the same command with a larger budget continues. Without
    --audit, a search that ends has exit code 0 whatever it found; the audit asks first where
    `dormant audit` would.
    """
    from dormant.config.search import SearchConfig
    from dormant.pipeline.search import run_search
    from dormant.pipeline.search_inputs import forecast_search, read_materials
    from dormant.records import VerdictKind

    config = config_from(options, SearchConfig, _PLACES)
    if dry_run:
        return _print_forecast(forecast_search(read_materials(config)), as_json)
    with show_progress(quiet) as progress:
        result = run_search(config, progress=progress)
    verdict = _audit_candidates(result, quiet, yes) if confirm and result.candidates else None
    if as_json:
        print_json({**result.to_plain(), "verdict": verdict})
    else:
        _print_result(result)
        _print_verdict(result, verdict)
    if verdict is not None and not exit_zero:
        raise click.exceptions.Exit(exit_code_of(VerdictKind(verdict["kind"])))


def _print_verdict(result: Result, verdict: dict[str, Any] | None) -> None:
    if verdict is not None:
        print_line(verdict["kind"], bold=True)
        print_text(verdict["sentence"])
        print_line(f"report: {result.folder / 'audit' / 'report.html'}")
    elif result.candidates:
        print_text(f"Nothing is confirmed yet. To confirm: {result.command}")


def _audit_candidates(result: Result, quiet: bool, yes: bool) -> dict[str, Any]:
    """Runs the audit of the candidates."""
    from dormant.config import AuditConfig, check_values
    from dormant.errors import ConfigError
    from dormant.pipeline.audit import run_audit
    from dormant.records import to_plain

    settings = result.audit_settings()
    if "judge" not in settings:
        raise ConfigError("missing --judge: --audit needs a judge, e.g. rules:regex=...")
    config = check_values({**settings, "budget": result.remaining_budget()}, AuditConfig)
    with show_progress(quiet) as progress:
        confirm = partial(confirm_cost, yes=yes, quiet=quiet)
        return to_plain(run_audit(config, progress=progress, confirm=confirm).verdict)


def _print_forecast(dry: SearchForecast, as_json: bool) -> None:
    if as_json:
        from dormant.records import to_plain

        print_json({**to_plain(dry), "usd": to_plain(dry.usd)})
        return
    print_table(("stage", "what it would do"), [(s.name, s.said) for s in dry.stages])
    if not dry.asked:
        print_text("All models run on this machine: no cost.")
        return
    rows = [
        (
            row.role,
            row.model,
            f"{row.calls:,}",
            f"{row.prompt_tokens:,}",
            f"{row.completion_tokens:,}",
            _format_money(row.usd),
        )
        for row in dry.asked
    ]
    columns = ("role", "model", "calls", "prompt tokens", "completion tokens", "money")
    print_table(columns, rows)
    print_text(f"{_format_money(dry.usd)} at most. --budget-usd and --max-answers stop earlier.")


def _format_money(usd: float) -> str:
    if math.isnan(usd):
        return "unknown price"
    return f"{usd:,.2f} USD" if usd >= 0.995 else f"{usd:.2g} USD"


def _print_result(result: Result) -> None:
    from dormant.cues import make_printable

    rows = [
        (s.name, f"{s.seconds:,.1f} s" if s.done else "left out", s.said) for s in result.stages
    ]
    print_table(("stage", "", ""), rows)
    if not result.candidates:
        print_text("No candidates found.")
        return
    print_table(
        ("", "place", "text", "score", "implied", "found by", "similar"),
        [
            (
                str(c.rank),
                str(c.cue.placement),
                make_printable(c.cue.text, longest=160),
                f"{c.screened.did:+.2f} ± {c.screened.error:.2f}" if c.screened else "-",
                f"{100 * c.screened.share:+.1f}" if c.screened else "-",
                c.cue.family or str(c.cue.source),
                str(len(c.relatives)) if c.relatives else "",
            )
            for c in result.candidates
        ],
    )
    for candidate in result.candidates:
        if candidate.refinement is not None:
            print_text(f"{candidate.rank}: {make_printable(candidate.refinement.sentence)}.")
    print_text("Score: difference in differences of the log-odds of misaligned answers, in nats.")
    print_text("Implied: the same in percentage points, if the scored answers were the only ones.")
