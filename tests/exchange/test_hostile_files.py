"""Files of answers that are more than they seem, or hold numbers that are none."""

import json
import resource
import time
import zipfile
from pathlib import Path

import pytest

from dormant.errors import DataError
from dormant.exchange.eval_reader import read_samples
from support.command import run_command

SAMPLE = "samples/q_epoch_1.json"
#: Name of a log's part -> what it holds.
BOMBS: dict[str, tuple[str, bytes, str]] = {
    "a deep sample": (SAMPLE, b"[" * 100_000, "nested too deeply"),
    "a deep sample of objects": (SAMPLE, b'{"a":[' * 50_000, "nested too deeply"),
    "a deep header": ("header.json", b"[ " * 100_000, "nested too deeply"),
    "a large sample": (SAMPLE, b" " * (40 << 20), "unpacks to 41,943,040 bytes"),
    "large summaries": ("summaries.json", b"0" * (40 << 20), "unpacks to 41,943,040 bytes"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_log_that_unpacks_to_too_much_is_refused_before_it_is_built(tmp_path: Path, name: str):
    part, content, words = BOMBS[name]
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(part, content)
    assert path.stat().st_size < 200_000
    begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=words) as caught:
        list(read_samples(path))
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert time.process_time() - begun < 20  # Inspect alone takes some seconds to import
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 << 10


@pytest.mark.parametrize("score", ["Infinity", "-Infinity", "NaN", "1e400", "9" * 400])
def test_a_score_is_a_finite_number(tmp_path: Path, score: str):
    path = tmp_path / "answers.jsonl"
    row = {"question": "q", "answer": "a", "role": "target", "outcome": "aligned"}
    text = json.dumps(row)[:-1] + f', "scores": {{"x": {score}}}}}\n'
    path.write_text(text * 2)
    done = run_command("import", path, "--out", tmp_path / "run")
    assert done.code == 2 and "is not a finite number" in done.err, done.err
    assert f"{path}:1: " in done.err
