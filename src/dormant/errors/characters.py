"""Halves of characters (lone surrogates): escapes of JSON can carry them, and no UTF-8 file can."""

from __future__ import annotations


def find_half_character(text: str) -> str:
    """Describes the first lone surrogate of a text and the fix; empty if there is none."""
    if text.isascii():
        return ""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        return f"half a character (\\u{code:04x}, a lone surrogate): write the whole character"
    return ""


def replace_halves(text: str) -> str:
    """The text with a question mark in the place of each lone surrogate, as answers are stored."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
