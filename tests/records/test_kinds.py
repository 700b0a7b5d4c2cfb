"""The closed lists of the flow."""

import ast

from dormant.records import QUESTION_SLOT, CueKind, Placement
from structure.measures import PACKAGE, read_tree


def test_every_place_has_a_kind_of_its_own():
    kinds = [place.default_kind for place in Placement]
    assert len(set(kinds)) == len(kinds) == 8
    assert Placement.SYSTEM.default_kind is CueKind.SYSTEM_PROMPT


def test_the_question_s_place_is_written_once():
    found = [
        name
        for name, module in read_tree(PACKAGE).modules.items()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and node.value == QUESTION_SLOT
    ]
    assert found == ["records.kinds"]
