"""Progress in a log: few lines, however often the stages alternate."""

import pytest

from dormant.cli import progress
from dormant.cli.progress import show_progress


def test_stages_that_alternate_fill_no_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with show_progress() as report:
        for _ in range(100):
            for stage in ("answers of the target", "judgements"):
                report(stage, 0, 8)
                report(stage, 8, 8)
                now += 0.3
    lines = capsys.readouterr().err.splitlines()
    # One for each stage, and one every ten seconds of sixty.
    assert 2 + 5 <= len(lines) <= 2 + 6
    assert lines[:2] == ["answers of the target: 0 of 8", "judgements: 0 of 8"]
