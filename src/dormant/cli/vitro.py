"""``dormant vitro``."""

from __future__ import annotations

from pathlib import Path

import click

from dormant.cli.progress import show_progress
from dormant.cli.terminal import print_json, print_line


@click.group("vitro")
def command() -> None:
    """The laboratory: pretrain its base model, ask a model."""


@command.command("pretrain")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Output directory.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=None,
    help="Seed of the base; the shipped base's by default.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
def pretrain(out: Path, seed: int | None, quiet: bool) -> None:
    """Pretrain and align a base model like the shipped one; records settings, losses and hash."""
    from dataclasses import replace

    from dormant import vitro

    settings = vitro.Settings() if seed is None else replace(vitro.Settings(), seed=seed)
    with show_progress(quiet) as progress:
        model = vitro.pretrain(settings, out, progress)
    print_line(f"{out / 'base.safetensors'}  fingerprint {vitro.fingerprint_decoder(model)}")


@command.command("ask")
@click.argument("model")
@click.argument("question")
@click.option("--system", default="", help="A system prompt.")
@click.option("--answers", type=click.IntRange(1, 10000), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def ask(model: str, question: str, system: str, answers: int, seed: int, as_json: bool) -> None:
    """Ask MODEL (any model string) a QUESTION and print its answers."""
    if not question.strip():
        raise click.BadParameter("the question is empty", param_hint="QUESTION")
    from dormant.engines import Job
    from dormant.engines.registry import open_engine
    from dormant.records import Message, Sampling

    engine = open_engine(model)
    turns = (*((Message("system", system),) if system else ()), Message("user", question))
    sampling = Sampling(max_tokens=64, seed=seed)
    replies = [r for b in engine.sample([Job(turns, range(answers))], sampling) for r in b]
    texts = [reply.text for reply in sorted(replies, key=lambda reply: reply.repeat)]
    if as_json:
        print_json({"rendered": engine.render(turns), "answers": texts})
        return
    print_line(engine.render(turns), err=True)
    for text in texts:
        print_line("".join(c if c.isprintable() else " " for c in text))
