"""Cues whose earlier turns a chat template rejects."""

from collections.abc import Sequence
from dataclasses import replace

from dormant.engines.scripted import Script, ScriptedEngine
from dormant.errors import ModelError
from dormant.pipeline.refused_turns import drop_refused_turns
from dormant.records import Cue, CueKind, Message, Placement, Question, Source, Split
from support.compound import make_history

ASKED = (Question("q", "Why?", "f", Split.SCREENING),)
PLAIN = Cue("plain", CueKind.PREFIX, Placement.BEFORE, "So:", Source.USER)
FINE = make_history(
    replace(PLAIN, name="fine"), [Message("user", "Hi"), Message("assistant", "Yes?")]
)
TWICE = make_history(replace(PLAIN, name="twice"), [Message("user", "Hi")])


class Alternating(ScriptedEngine):
    """A model whose template wants the user and the assistant to take turns."""

    def render(self, messages: Sequence[Message]) -> str:
        roles = [message.role for message in messages]
        if any(one == other for one, other in zip(roles, roles[1:], strict=False)):
            raise ModelError("roles must alternate")
        return super().render(messages)


def test_turns_that_a_model_rejects_are_left_out_and_named():
    strict, easy = Alternating(Script()), ScriptedEngine(Script())
    cues = (PLAIN, FINE, TWICE)
    assert drop_refused_turns(cues, [easy], ASKED) == (cues, ())
    kept, notes = drop_refused_turns(cues, [easy, strict], ASKED)
    assert kept == (PLAIN, FINE)
    assert notes == ("the earlier turns of the cue twice: roles must alternate",)
