"""``dormant card``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dormant.cli.terminal import print_file_hash, print_json

#: Names of ``report.card.Standard``, which --help must not import.
_STANDARDS = ("dormant", "eu-cop", "nist-800-2", "stream")


@click.command(
    "card",
    epilog="""\b
What only you know stands in a card.yaml; each key may be left out and then reads "not stated":
  purpose, evaluator, relation, funding, access, data_supplier, reference_reason, mitigation,
  elicitation, evaluation_awareness, test_retest, would_change, expires, version, supersedes,
  changelog
Example:
  dormant card runs/audit --details card.yaml --standard eu-cop > card.sha256
  sha256sum --check card.sha256""",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Output directory; RUN by default.")
@click.option(
    "--details", type=click.Path(path_type=Path), help="A card.yaml: docs/guides/card.md."
)
@click.option(
    "--standard",
    type=click.Choice(_STANDARDS),
    default="dormant",
    help="Order and label the fields as this framework asks for them; certifies nothing.",
)
@click.option("--seed", type=int, default=0, help="Of the transcripts drawn at random; 0.")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON and write no file.")
def command(
    run: Path, out: Path | None, details: Path | None, standard: str, seed: int, as_json: bool
) -> None:
    """One page about RUN for those who decide; no model is asked.

    Writes card.html, which prints to one A4 page, and card.json, and prints the SHA-256 of each.
    The verdict is decided again from the stored answers.
    """
    from dormant.pipeline.card import card_run, read_details
    from dormant.report.card import parse_standard, write_card

    card = card_run(run, read_details(details), standard=parse_standard(standard), seed=seed)
    if as_json:
        print_json(json.loads(card.json))
        return
    for path, digest in write_card(card, out or run).files.items():
        print_file_hash(digest, str(path))
