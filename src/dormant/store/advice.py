"""What to do about a run that is unfinished or damaged: an import is made by another command."""

from __future__ import annotations

from dormant.records import Origin, Plan


def advise_continuing(plan: Plan) -> str:
    """How the rest of an unfinished run is made."""
    if plan.origin is Origin.IMPORT:
        return "run dormant import again with the same files and options to continue"
    return "run the audit again to continue"


def advise_repeating(plan: Plan) -> str:
    """How the files of a run are made again from its stored answers."""
    if plan.origin is Origin.IMPORT:
        return "run dormant import again with the same files and options"
    return "run the audit again, which asks for no new answers"
