"""What charts and tables call a cue: its text, since its name says little to a reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dormant.records import Cue
from dormant.report.escape import one_line

LONGEST_LABEL = 60  #: characters of a cue's text in a chart or a table


def label_cues(cues: Sequence[Cue], longest: int = LONGEST_LABEL) -> dict[str, str]:
    """Labels each cue with its text, on one line, hidden characters spelled out.

    Where two cues would have the same label, because they differ after the cut or in their place
    in the prompt, the name of each is added; a cue without visible text has its name.

    Args:
        cues: with unique names.
        longest: characters of the text; more are cut, with an ellipsis.

    Returns:
        Name of the cue -> label.
    """
    texts = {cue.name: one_line(cue.text, longest) or one_line(cue.name, longest) for cue in cues}
    seen = Counter(texts.values())
    return {
        name: text if seen[text] == 1 else f"{text} ({one_line(name, longest)})"
        for name, text in texts.items()
    }
