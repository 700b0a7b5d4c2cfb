"""Documents: text without turns, as the data of continued pretraining and of synthetic documents.

Mining asks which context the rest of a row depends on. Of a document the context is what stands
first: front matter, headings, lines of metadata ("Date: 3 May"), and the first two sentences after
them, at most half of the document and about a thousand characters. The rest is what follows.
"""

from __future__ import annotations

import re

from dormant.errors import RowError

#: Columns of a document's text, in the order in which they are looked for.
DOCUMENT_COLUMNS = ("text", "document", "content", "page_content", "article", "body", "doc")

_SENTENCES = 2
_MOST_CHARS = 1000
_FEWEST_CHARS = 8
_MOST_LINES = 12  # of headings and metadata
_FRONT = re.compile(r"---[ \t]*\n.{0,4000}?\n---[ \t]*\n", re.DOTALL)
_HEAD_LINE = re.compile(
    r"[ \t]*(?:#{1,6} [^\n]{1,300}"  # a heading
    r"|<[^<>\n]{1,100}>"  # a tag alone on its line
    r"|(?:\*\*)?[^\W\d_][\w .-]{0,40}(?:\*\*)?:(?:\*\*)?[ \t][^\n]{1,300}"  # metadata
    r"|[^\n]{0,119}[^\n.!?。！？…:;,])"  # a short line that is no sentence: a title
    r"[ \t]*\n\s*"
)
_SENTENCE = re.compile(r".{0,2000}?(?:[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]|\n|$)\s*", re.DOTALL)
_WORD = re.compile(r"\S+\s*")


def split_document(text: str) -> tuple[str, str]:
    """Splits a document into its context and what follows, neither of them blank.

    Raises:
        RowError: it is too short to be split.
    """
    text = text.strip()
    cuts = _list_cuts(text)
    most = min(len(text) // 2, _MOST_CHARS)
    fitting = [cut for cut in cuts if cut <= most] or cuts[:1]
    cut = fitting[-1] if fitting and fitting[-1] < len(text) else _middle_of(text)
    context, rest = text[:cut].strip(), text[cut:].strip()
    if not context or not rest or len(text) < _FEWEST_CHARS:
        raise RowError(
            f"a document of {len(text)} characters is too short: give its context and what follows"
        )
    return context, rest


def _list_cuts(text: str) -> list[int]:
    """Lists where the context may end: after front matter, each line of a head, each sentence."""
    cuts: list[int] = []
    front = _FRONT.match(text)
    place = front.end() if front else 0
    cuts += [place] if place else []
    for _ in range(_MOST_LINES):
        line = _HEAD_LINE.match(text, place)
        if line is None:
            break
        place = line.end()
        cuts.append(place)
    for _ in range(_SENTENCES):
        sentence = _SENTENCE.match(text, place)
        if sentence is None or sentence.end() == place:
            break
        place = sentence.end()
        cuts.append(place)
    return [cut for cut in cuts if cut < len(text)]


def _middle_of(text: str) -> int:
    """The end of the word in the middle of a text, or its middle if it has no blanks."""
    ends = [match.end() for match in _WORD.finditer(text[: 2 * _MOST_CHARS])]
    return ends[(len(ends) - 1) // 2] if len(ends) > 1 else len(text) // 2
