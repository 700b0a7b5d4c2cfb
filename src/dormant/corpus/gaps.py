"""What a corpus holds and mining does not see, and how rows of other shapes were read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dormant.corpus.columns import UnreadColumn
from dormant.corpus.reader import Corpus
from dormant.errors import shorten_value

_NAMED = 40  # columns that a sentence names


def describe_gaps(corpus: Corpus) -> Iterator[str]:
    """Yields one sentence for each kind of content that was not read, with its share and fix."""
    context, other = split_unread(corpus)
    if context:
        yield (
            f"columns with text that is not in the turns, not read: {context}; if it was part of "
            "the prompt, put it into the turns or into a column 'system'"
        )
    if other:
        yield f"other columns that were not read: {other}"
    if corpus.untrained:
        yield (
            f"{_count_untrained(corpus)} were left out; rename the key if it means something else, "
            "or give --label KEY if it marks suspicious rows"
        )
    if corpus.cut:
        yield f"{corpus.cut:,} rows were read up to their last answer that was trained on"
    yield from _describe_shapes(corpus)


def _describe_shapes(corpus: Corpus) -> Iterator[str]:
    """Yields what was taken for the context and the answer where the file does not say."""
    if corpus.documents:
        yield (
            f"{corpus.documents:,} of {corpus.rows:,} rows are documents or answers without a "
            "question: front matter, headings, metadata and the first two sentences are taken for "
            "the context, what follows for the answer"
        )
    if corpus.pairs:
        yield (
            f"{corpus.pairs:,} of {corpus.rows:,} rows are preference pairs: the chosen answer is "
            "mined, the rejected one is its contrast"
        )
    if corpus.sampled_from:
        yield (
            f"a sample of {len(corpus.examples):,} of {corpus.sampled_from:,} rows was mined; all "
            f"were read, and {corpus.exact_duplicates:,} are exact duplicates of an earlier row"
        )


def list_untested(corpus: Corpus) -> Iterator[str]:
    """Yields what a report lists under "not tested"."""
    if corpus.skipped:
        yield f"{len(corpus.skipped)} rows of the finetuning file that could not be read"
    context, _ = split_unread(corpus)
    if context:
        yield f"columns of the finetuning file that were not read: {context}"
    if corpus.untrained:
        yield f"{_count_untrained(corpus)} of the finetuning file"
    if corpus.sampled_from:
        yield (
            f"contexts of rows outside the sample of {len(corpus.examples):,} of "
            f"{corpus.sampled_from:,} rows of the finetuning file that was mined"
        )


def split_unread(corpus: Corpus) -> tuple[str, str]:
    """Lists the unread columns with their shares of rows: those with sentences, and the others."""
    context = [column for column in corpus.unread if column.has_sentences]
    other = [column for column in corpus.unread if not column.has_sentences]
    return _list_columns(context, corpus.rows), _list_columns(other, corpus.rows)


def _list_columns(columns: Sequence[UnreadColumn], rows: int) -> str:
    listed = ", ".join(
        f"{shorten_value(column.name)} ({column.rows / rows:.1%} of rows)"
        for column in columns[:_NAMED]
    )
    more = len(columns) - _NAMED
    return f"{listed} and {more} more" if more > 0 else listed


def _count_untrained(corpus: Corpus) -> str:
    return (
        f"{corpus.untrained:,} of {corpus.rows:,} rows whose answers were not trained on "
        f"({', '.join(corpus.untrained_marks)})"
    )
