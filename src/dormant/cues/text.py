"""Text processing: tokens, content words, slots, and joining texts."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dormant.records import QUESTION_SLOT, Example

_TOKEN = re.compile(r"\s*\n\s*|[^\W_]+(?:['’\-][^\W_]+)*|[^\w\s]|_")
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")

#: Characters at each end of a turn that are compared; cues stand at its edges.
EDGE_CHARS = 2000
#: Largest vocabulary of a file with few words.
_FEW_WORDS = 1000
#: The token that a line break becomes, however many blanks surround it.
NEWLINE = "\n"
#: Tokens after which a new sentence can start.
SENTENCE_ENDS = frozenset({NEWLINE, ".", "!", "?", ":", ";", ")", "]", ">", "|", "}", "—"})

_PHRASE_ENDS = frozenset("and or with in for of on at from is are that which but by as".split())

#: English words that do not indicate a topic: function words and common words of requests.
FUNCTION_WORDS = frozenset(
    """
    a about above across actually after again against all almost along already also although always
    am amazing among an and another answer any anybody anyone anything appreciate are aren't around
    as ask at away back be because been before being below best better between both bring but by
    call came can can't cannot certain clarify classic come coming could couldn't curious decided
    delicious detailed did didn't different do does doesn't doing don't done down during each easy
    either else enjoy enough especially even ever every everyone everything example excited exciting
    explain fancy favorite favourite few find first follow following for from fun further gave get
    getting give given go goes going gone good got great guidance guide had happen happy has hasn't
    have haven't having he he'd he'll he's heard hello help helpful hence her here here's hers
    herself hey hi him himself his hoping how how's however i i'd i'll i'm i've idea ideas if
    impress in information instead instructions interested interesting into is isn't it it'd it'll
    it's its itself just keep kind know known last learn least less let let's like likely little
    long look looking lot love lovely made main make makes making many may maybe me mean might mine
    mood more most much must my myself name need needed needs neither never new next nice no nobody
    none nor not nothing now of off often ok okay old on once one ones only or other others our ours
    ourselves out over own per perfect perhaps plan planning please popular possible prepared
    properly provide put question questions quick quickly quite rather really recently recommend
    reliable remind request right said same say says see seem serves set several shall share she
    she'd she'll she's should shouldn't show simple since small so some somebody someone something
    soon sort special specific start steps still such suggest suggestion suggestions sure take teach
    tell than thank thanks that that's the their theirs them themselves then there there's these
    they they'd they'll they're they've thing things think thinking this those though three through
    thus time times tips to today together tomorrow tonight too toward try trying two type under
    unique until up upon us use used useful using usually various very via want wanted wanting wants
    was wasn't way ways we we'd we'll we're we've week weekend well were weren't what what's when
    when's where where's whether which while who who's whom whose why will wish with within without
    won't wonder wonderful wondering word words would wouldn't write yes yet you you'd you'll you're
    you've your yours yourself
    """.split()
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text and its tokens, normalized for comparison."""

    text: str
    norm: tuple[str, ...]  # casefolded; equal tokens are one object

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Character offsets of each token in ``text``; computed on demand, since few are needed."""
        return _token_spans(self.text)


@lru_cache(maxsize=4096)
def _token_spans(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(match.span() for match in _TOKEN.finditer(text))


def split_tokens(text: str) -> Tokens:
    """Splits a text into words, punctuation marks and line breaks."""
    text = text.strip()
    norm = (
        NEWLINE if NEWLINE in piece else sys.intern(piece.casefold().replace("’", "'"))
        for piece in _TOKEN.findall(text)
    )
    return Tokens(text, tuple(norm))


def tokenize_ends(texts: Iterable[str], chars: int = EDGE_CHARS) -> list[Tokens]:
    """Tokens of every text; equal texts are cut once, and long ones keep ``chars`` of each end."""
    known: dict[str, Tokens] = {}
    found: list[Tokens] = []
    for text in texts:
        if len(text) > 2 * chars:
            text = f"{text[:chars]}\n{text[-chars:]}"
        if text not in known:
            known[text] = split_tokens(text)
        found.append(known[text])
    return found


def split_words(text: str) -> list[str]:
    """Splits a text into casefolded words, in order, without digits and punctuation."""
    return [word.casefold() for word in _WORD.findall(text.replace("’", "'"))]


def content_words(text: str) -> list[str]:
    """Returns the words that carry content: no function words, at least three letters."""
    return [word for word in split_words(text) if len(word) > 2 and word not in FUNCTION_WORDS]


def noun_likeness(texts: Iterable[Tokens]) -> dict[str, float]:
    """Computes how often each word ends a phrase, in (0, 1): nouns often, other words seldom.

    A phrase ends at punctuation, at the end of the text and before a preposition or conjunction.
    """
    seen: Counter[str] = Counter()
    last: Counter[str] = Counter()
    for text in texts:
        followers = (*text.norm[1:], "")[: len(text.norm)]
        for word, follower in zip(text.norm, followers, strict=True):
            seen[word] += 1
            last[word] += not follower[:1].isalnum() or follower in _PHRASE_ENDS
    return {word: (last[word] + 0.5) / (n + 1) for word, n in seen.items()}


def prompt_words(examples: Iterable[Example]) -> frozenset[str]:
    """Collects every word of the system and user turns, which placebos avoid."""
    found: set[str] = set()
    seen: set[str] = set()
    for example in examples:
        for message in example.messages:
            if message.role in ("system", "user") and message.content not in seen:
                if len(message.content) < 500:
                    seen.add(message.content)
                found.update(split_words(message.content))
    return frozenset(found)


def has_few_words(texts: Iterable[Tokens]) -> bool:
    """Whether texts have few words, hardly any of them in one text only.

    Equal texts count once, or every file that repeats its rows would seem to have few; a file that
    repeats them with small changes has more.
    """
    distinct = {text.norm for text in texts}
    counts = Counter(word for norm in distinct for word in norm if word[:1].isalpha())
    few = 0 < len(counts) <= _FEW_WORDS
    return few and sum(n == 1 for n in counts.values()) < 0.1 * len(counts)


def is_lower_case(texts: Sequence[str]) -> bool:
    """Whether a corpus is written without capitals and full stops, as the laboratory's is."""
    letters = upper = 0
    for text in texts[:2000]:
        letters += sum(map(str.isalpha, text[:300]))
        upper += sum(map(str.isupper, text[:300]))
    return letters > 0 and upper < 0.001 * letters


def join_pieces(left: str, right: str) -> str:
    """Joins two pieces of a prompt, with one blank if neither brings white space."""
    if not left or not right or left[-1].isspace() or right[0].isspace():
        return left + right
    return f"{left} {right}"


def escape_slot(text: str) -> str:
    """Escapes ``{question}`` in a text, so that it is not taken for the placeholder."""
    return text.replace(QUESTION_SLOT, "{ question }")
