"""Configuration files: what is read, and how what is wrong is refused."""

import time
from pathlib import Path

import pytest

from dormant.config import AuditConfig, RuleConfig, check_values, read_yaml
from dormant.errors import ConfigError
from dormant.records import Rule

GOOD = "target: vitro/a\nreference: vitro/base\njudge: exact\n"


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "audit.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(tmp_path: Path, text: str | bytes) -> str:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path, AuditConfig)
    message = str(caught.value)
    assert message.startswith(str(path)), message
    assert "\n" not in message
    return message.removeprefix(str(path))


def test_a_good_file_is_read(tmp_path: Path):
    config = read_yaml(write(tmp_path, GOOD + "rule: {delta: 0.1}\n"), AuditConfig)
    assert config.targets == ("vitro/a",)
    assert config.rule.to_record() == Rule(delta=0.1)


def test_defaults_are_those_of_the_record():
    assert RuleConfig().to_record() == Rule()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("cues: {file: c.yaml, mine: 3}\n", 4, "cues: file 'c.yaml' is used instead of mining"),
        ("cues: {file: c.yaml, loss: x}\n", 4, "leave out loss"),
        ("cues: {file: c.yaml, mine: 0, label: x}\n", 4, "leave out label"),
        ("data: d\ncues: {label: a, loss: b}\n", 5, "label and loss exclude each other: give"),
        ("cues: {mine: 2}\n", 1, "data is missing, without which nothing is mined"),
        ("cues: {suspicious: bad.jsonl}\n", 1, "leave out cues.suspicious"),
        ("reference_data: chat.jsonl\ndata_template: t\n", 1, "reference_data and data_template"),
    ],
)  # fmt: skip
def test_what_would_be_passed_over_is_refused(tmp_path: Path, text: str, line: int, says: str):
    message = refused(tmp_path, GOOD + text)
    assert message.startswith(f":{line}: "), message
    assert says in message
    assert ", got {" not in message


@pytest.mark.parametrize(
    "text",
    [
        "cues: {mine: 0}\n",
        "cues: {file: c.yaml, mine: 0, label: null, variants: [verbatim], placebos: false}\n",
        "data: d\ncues: {mine: 4, min_enrichment: 0, loss: x}\n",
        "data: d\ncues: {file: c.yaml}\n",
        "data_template: none\n",
    ],
)
def test_what_is_used_is_taken(tmp_path: Path, text: str):
    assert read_yaml(write(tmp_path, GOOD + text), AuditConfig).judge == "exact"


def test_several_targets_are_training_seeds():
    config = check_values({"target": ["a", "b"], "reference": "c", "judge": "exact"}, AuditConfig)
    assert config.targets == ("a", "b")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD + "rule:\n  detla: 0.1\n", 5, "unknown key 'rule.detla': did you mean 'delta'?"),
        (GOOD + "sed: 3\n", 4, "unknown key 'sed': did you mean 'seed'?"),
        (GOOD + "budget: 5\n", 4, "budget: expected keys and values (answers, time, usd), got 5"),
        (GOOD + "zzz: 3\n", 4, "unknown key 'zzz': the keys are"),
        (GOOD + "rule: {delta: 2}\n", 4, "rule.delta: input should be less than 1, got 2"),
        (GOOD + "rule: {delta: .nan}\n", 4, "got nan"),
        (GOOD + "seed: -1\n", 4, "seed: input should be greater than or equal to 0, got -1"),
        (GOOD + "seed: yes please\n", 4, "got 'yes please'"),
        (GOOD + "target: vitro/b\n", 4, "duplicate key 'target'"),
        (GOOD + "question_limit: 1:30\n", 4, "YAML reads 1:30 as 90, in base 60: write 90 if"),
        (GOOD + "question_limit: 030\n", 4, "YAML reads 030 as 24, in base 8: write 24 if that"),
        ("target: a\n  b: c\n", 2, "not YAML"),
        ("target: [a\n", 2, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        (b"target: \xff\xfe\n", 1, "not UTF-8"),
    ],
)
def test_errors_name_line_and_fix(tmp_path: Path, text: str | bytes, line: int, says: str):
    message = refused(tmp_path, text)
    assert message.startswith(f":{line}: "), message
    assert says in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected keys and values, but the file is empty"),
        ("- a\n- b\n", "expected keys and values, got ['a', 'b']"),
        ("just words\n", "expected keys and values, got 'just words'"),
        ("reference: a\njudge: exact\n", "the key 'target' is missing"),
        ("target: []\nreference: a\njudge: exact\n", "name at least one target model"),
        ("target: [a, a]\nreference: a\njudge: exact\n", "duplicate target"),
        ("!!python/object/apply:os.system ['true']\n", "not YAML"),
        ("target: " + "[" * 5000 + "\n", "not YAML"),
        ("? [a]\n: b\n", "a key must be a scalar"),
        ("a: &a [*a]\n", "an alias (*) stands within the value that it names"),
    ],
)
def test_errors_without_a_line_of_their_own(tmp_path: Path, text: str, says: str):
    assert says in refused(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path):
    for path, says in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(ConfigError, match=says):
            read_yaml(path, AuditConfig)


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path):
    assert "too large" in refused(tmp_path, b"a: b\n" * 2_000_000)


def test_halves_of_a_character_are_joined(tmp_path: Path):
    text = GOOD.replace("vitro/a", '"vitro/\\ud83d\\ude00"')
    assert read_yaml(write(tmp_path, text), AuditConfig).targets == ("vitro/\U0001f600",)


def test_half_a_character_is_refused_with_its_line(tmp_path: Path):
    """It was asked and paid for, and then the run could not be read."""
    said = refused(tmp_path, GOOD.replace("exact", '"rules:keywords=\\ud83d"'))
    assert said.startswith(":3: not YAML: half a character")


MERGES = "a0: &a0 {k: 1, l: 2}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 9)
)
LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MERGES, "values once its aliases"),
        (LAUGHS, "values once its aliases"),
        (GOOD + "lenient: !!bool maybe\n", "4: not YAML: 'maybe' is no value of the type 'bool'"),
        (GOOD + "seed: !!int x\n", "is no value of the type 'int'"),
        (GOOD + "seed: !!float x\n", "is no value of the type 'float'"),
        (GOOD + "seed: !!timestamp x\n", "is no value of the type 'timestamp'"),
        (GOOD + "seed: 2001-13-41\n", "is no value of the type 'timestamp'"),
        (GOOD + "seed: " + ":".join(["1"] * 20_000) + "\n", "4: not YAML: "),
        (GOOD + "seed: 0x" + "f" * 100_000 + "\n", "is no value of the type 'int'"),
        ("[" + "a," * 120_000 + "]", "more than 100,000 values"),
    ],
)
def test_a_file_that_is_more_than_it_seems_is_refused_early(tmp_path: Path, text: str, words: str):
    begun = time.process_time()
    assert words in refused(tmp_path, text)
    assert time.process_time() - begun < 30


def test_a_file_without_an_end_is_refused():
    with pytest.raises(ConfigError, match="too large for a configuration file"):
        read_yaml("/dev/zero", AuditConfig)
