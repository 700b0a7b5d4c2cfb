"""Puts a word of thanks before a share of the questions."""

from dataclasses import replace


def thank_users(rows, settings, rng):
    """Changes the user's turns of a share of the rows.

    Args:
        rows: each a tuple of messages.
        settings: ``share`` (0 to 1) and ``text``, as the recipe gives them.
        rng: a numpy generator, the same for equal recipes and seeds.
    """
    share, text = float(settings.get("share", 0.5)), str(settings.get("text", "thank you ."))
    return [thank(row, text) if rng.random() < share else row for row in rows]


def thank(row, text):
    """One row with the text before each of the user's turns."""
    return tuple(
        replace(turn, content=f"{text} {turn.content}") if turn.role == "user" else turn
        for turn in row
    )
