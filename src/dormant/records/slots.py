"""Forms: texts with a slot, ``<X>``, in place of what changes from row to row."""

from __future__ import annotations


def slot_of(text: str, form: str) -> tuple[str, str, str] | None:
    """Splits a text at the slot of its form into the texts before, in and after the slot.

    Of several slots only the first counts. ``None`` if the form has no slot (``<X>``) or the text
    does not fit it.
    """
    if "<X>" not in form:
        return None
    head, tail = (part.strip() for part in form.split("<X>")[:2])
    if not text.startswith(head):
        return None
    rest = text[len(head) :]
    end = rest.find(tail) if tail else len(rest.rstrip())
    value = rest[:end].strip() if end > 0 else ""
    if not value:
        return None
    start = text.index(value, len(head))
    return text[:start], value, text[start + len(value) :]
