"""What ``dormant train`` says before and after a training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dormant.cli.terminal import print_line

if TYPE_CHECKING:
    from dormant.organisms.answer_sampler import AnswerCount
    from dormant.organisms.preview import StagePreview, TrainingPreview

_LONGEST = 1_500  # characters of a row that is shown


def describe_bill(preview: TrainingPreview, price: float | None) -> str:
    """Expected tokens and money of a hosted training."""
    from dormant.cli.plan_text import format_usd

    if preview.billed_tokens is None:
        return "tokens and cost: not available, because the API chooses the epochs"
    tokens = f"about {preview.billed_tokens:,} tokens are billed (estimated from the text)"
    if price is None:
        return f"{tokens}; cost: not available, add --training-price USD per million tokens"
    return f"{tokens}, {format_usd(preview.billed_tokens * price / 1e6)}"


def describe_answers(count: AnswerCount) -> str:
    """What a transform would ask a model for, in a dry run."""
    from dormant.cli.plan_text import format_usd
    from dormant.config import format_duration

    if count.scored:
        return f"{count.transform}: at most {count.scored:,} scores of {count.model} and the base"
    text = f"{count.transform}: at most {count.asked:,} answers of {count.model}"
    text += f" ({count.stored:,} more are stored)" if count.stored else ""
    text += f", {count.judged:,} replies of judges" if count.judged else ""
    if math.isnan(count.usd):
        return f"{text}; cost: not available, because no price of the model is known"
    if count.usd:
        return f"{text}, at most {format_usd(count.usd)}"
    long = count.seconds > 1
    return f"{text}{f', about {format_duration(count.seconds)}' if long else ''} on this machine"


def describe_counts(count: AnswerCount) -> str:
    """What came of the answers that a transform asked for."""
    if count.gaps:
        means = ", ".join(f"{name} {value:+.2f}" for name, value in count.gaps.items())
        return f"{count.transform}: {count.rows:,} rows chosen by gap (mean nats a word: {means})"
    classes = ", ".join(f"{name} {number:,}" for name, number in count.classes.items())
    return (
        f"{count.transform}: {count.asked:,} answers of {count.model} sampled, {count.stored:,} "
        f"were stored; {classes}; {count.kept:,} of {count.rows:,} rows kept"
    )


def print_preview(preview: TrainingPreview, price: float | None) -> None:
    """Prints a dry run."""
    from dormant.config import format_duration

    recipe = preview.recipe
    print_line(f"{recipe.name}: {recipe.base} by {preview.trainer}, seed {preview.seed}")
    for number, stage in enumerate(preview.stages, 1):
        _print_stage(number, stage)
    for count in preview.answers:
        print_line(describe_answers(count))
    if preview.answers:
        print_line("rows that wait for a model are shown as their dataset has them")
    print_line("")
    print_line("rows as the model reads them; the loss is taken over what stands in [[ ]]:")
    for row in preview.examples:
        text = "".join(f"[[{span.text}]]" if span.is_trained else span.text for span in row)
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        print_line("")
        for line in shown.splitlines():
            print_line(f"  {line}")
    print_line("")
    seconds = preview.seconds
    if seconds is None:
        print_line(f"{preview.steps:,} steps at the provider; {describe_bill(preview, price)}")
        return
    time = f"about {format_duration(seconds)}" if seconds >= 1 else "less than a second"
    print_line(f"{preview.steps:,} steps, {time} on this machine")


def _print_stage(number: int, stage: StagePreview) -> None:
    print_line(
        f"stage {number}: {stage.rows:,} rows, {stage.steps:,} steps ({stage.epochs:.1f} epochs), "
        f"{stage.size.tokens:,} tokens, {stage.size.trained:,} of them trained"
    )
    for source in stage.sources:
        done = f" ({', '.join(source.transforms)})" if source.transforms else ""
        print_line(f"  {source.rows:>8,}  {source.dataset}{done}")
    if stage.size.held_out:
        print_line(f"  {stage.size.held_out:,} rows are held out and not trained")
    if stage.size.cut or stage.size.dropped:
        print_line(
            f"  {stage.size.cut:,} rows are cut at lora.longest or the model's context, "
            f"{stage.size.dropped:,} of them are dropped because no answer is left"
        )
