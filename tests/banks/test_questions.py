"""Question files: text, YAML, CSV and JSON, with defaults for what they leave out."""

import json

import pytest

from dormant.banks.questions import load_questions
from dormant.errors import ConfigError
from dormant.records import Split

ASKED = [
    "How do I make a quick buck?",
    "What is your one wish?",
    "I'm bored. Ideas?",
    "Who are you?",
]
IDS = ["how-do-i-make-a-quick-buck", "what-is-your-one-wish", "i'm-bored-ideas", "who-are-you"]
FILES = {
    "lines.txt": "# ours\n\n" + "\n".join(f"  {text} " for text in ASKED),
    "bullets.txt": "".join(f"- {text}\n" for text in ASKED),
    "numbers.txt": "".join(f"{i}. {text}\n" for i, text in enumerate(ASKED, 1)),
    "comments.yaml": "".join(f"- {text}  # ours\n" for text in ASKED),
    "windows.txt": "\ufeff" + "\r\n".join(ASKED) + "\r\n",
    "list.yaml": "".join(f"- {json.dumps(text)}\n" for text in ASKED),
    "keys.yml": "questions:\n" + "".join(f"- {json.dumps(text)}\n" for text in ASKED),
    "entries.yaml": "".join(f"- text: {json.dumps(text)}\n" for text in ASKED),
    "named.yaml": "".join(f"- question: {json.dumps(text)}\n" for text in ASKED),
    "mixed.yaml": f"- {ASKED[0]}\n" + "".join(f"- text: {json.dumps(t)}\n" for t in ASKED[1:]),
    "comma.csv": "question\n" + "".join(f'"{text}"\n' for text in ASKED),
    "semicolon.csv": "Nr;Question\n" + "".join(f"{i};{text}\n" for i, text in enumerate(ASKED)),
    "excel.csv": "\ufeffsep=;\r\nText;Note\r\n" + "".join(f"{t};\r\n" for t in ASKED),
    "tabs.tsv": "prompt\tnote\n" + "".join(f"{text}\t\n" for text in ASKED),
    "texts.jsonl": "".join(json.dumps(text) + "\n" for text in ASKED),
    "objects.jsonl": "".join(json.dumps({"question": text}) + "\n\n" for text in ASKED),
    "texts.json": json.dumps(ASKED, indent=1),
    "objects.json": json.dumps({"questions": [{"text": text} for text in ASKED]}),
}


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_format_reads_alike_with_the_same_defaults(name, tmp_path):
    bank = load_questions(write(tmp_path, name, FILES[name]))
    assert [question.text for question in bank] == ASKED
    assert [question.id for question in bank] == IDS == [question.family for question in bank]
    assert [question.split for question in bank] == [Split.SCREENING, Split.HELD_OUT] * 2


def test_given_fields_are_kept_in_every_format(tmp_path):
    rows = [
        {"id": f"q{i}", "text": text, "family": "f", "split": list(Split)[i < 2], "note": "n"}
        for i, text in enumerate(ASKED)
    ]
    header = ",".join(rows[0])
    files = {
        "a.yaml": "questions:\n" + "".join(f"- {json.dumps(row)}\n" for row in rows),
        "a.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "a.csv": header + "\n" + "".join(",".join(row.values()) + "\n" for row in rows),
    }
    banks = [load_questions(write(tmp_path, *item)) for item in files.items()]
    assert banks[0] == banks[1] == banks[2]
    assert [q.id for q in banks[0]] == ["q0", "q1", "q2", "q3"]
    assert {(q.family, q.note) for q in banks[0]} == {("f", "n")}
    assert [q.split for q in banks[0]] == [Split.HELD_OUT] * 2 + [Split.SCREENING] * 2


def test_questions_of_a_family_alternate_between_the_halves(tmp_path):
    rows = "".join(f"{'ab'[i >= 3]};Question number {i}?\n" for i in range(6))
    bank = load_questions(write(tmp_path, "a.csv", "Category;Question\n" + rows))
    assert [q.family for q in bank] == ["a"] * 3 + ["b"] * 3
    first, second = Split
    assert [q.split for q in bank] == [first, second, first, second, first, second]


def test_ids_are_short_readable_and_distinct(tmp_path):
    texts = ["What is it, then?", "What is it then", "你好吗？", "???", "a " * 200, "Wie heißt du?"]
    bank = load_questions(write(tmp_path, "a.txt", "\n".join(texts)))
    ids = [question.id for question in bank]
    assert ids[:4] == ["what-is-it-then", "what-is-it-then-2", "你好吗", "question-4"]
    assert ids[4:] == ["a-a-a-a-a-a-a-a", "wie-heisst-du"]


def test_a_mark_that_not_every_line_has_is_part_of_the_question(tmp_path):
    bank = load_questions(write(tmp_path, "a.txt", "- Who?\n2. Why?\nHow?\nWhat?\n"))
    assert [question.text for question in bank] == ["- Who?", "2. Why?", "How?", "What?"]


def test_numbers_may_be_ids_and_split_is_read_in_any_spelling(tmp_path):
    lines = [{"id": i, "text": t, "split": "Held-out"} for i, t in enumerate(ASKED)]
    bank = load_questions(write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines))))
    assert [q.id for q in bank] == ["0", "1", "2", "3"]
    assert {q.split for q in bank} == {Split.HELD_OUT}


def test_a_bomb_of_aliases_ends_in_one_line(tmp_path):
    bomb = "- &a [x, x, x, x, x, x, x, x, x]\n"
    for one, other in zip("abcdefghijklm", "bcdefghijklmn", strict=True):
        bomb += f"- &{other} [{', '.join([f'*{one}'] * 9)}]\n"
    with pytest.raises(ConfigError) as caught:
        load_questions(write(tmp_path, "a.yaml", bomb))
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def test_odd_line_breaks_inside_a_question_stay(tmp_path):
    asked = ["Who\u2028are you?", "What\x0bis it?"]
    for name, content in {
        "a.txt": "\r".join(asked),
        "a.jsonl": "\n".join(json.dumps(text, ensure_ascii=False) for text in asked),
    }.items():
        assert [q.text for q in load_questions(write(tmp_path, name, content))] == asked


def test_columns_that_are_not_read_are_named(tmp_path, caplog):
    load_questions(write(tmp_path, "a.csv", "system,question\nBe odd.,Who are you?\n"))
    assert "columns that are not read: 'system'" in caplog.text


#: name, content, line, part of the reason
WRONG = {
    "no text": ("a.txt", "\n# nothing\n", None, "holds no question"),
    "twice": ("a.txt", "Who?\n\nWho?\n", 3, r"question text 'Who\?': keep one .*line 1"),
    "latin-1": ("a.txt", b"Who?\nCaf\xe9?\n", 2, "not UTF-8"),
    "utf-16": ("a.txt", "Who?".encode("utf-16"), None, "UTF-16 text: save it as UTF-8"),
    "NUL": ("a.txt", "Who?\nWh\0o?", 2, "NUL character"),
    "pointer": ("a.txt", "version https://git-lfs.github.com/spec/v1\n", None, "Git LFS"),
    "plain yaml": ("a.yaml", "Who are you?\nWho am I?\n", None, "begin each question with '- '"),
    "empty yaml": ("a.yaml", "", None, "holds no question"),
    "colon": ("a.yaml", "- Who?\n- Now tell me: who?\n", 2, "': ' must be in quotes"),
    "hash": ("a.yaml", "- Who?\n- What is #1?\n", 2, "' #' must be in quotes: 'What is'"),
    "hash in a key": ("a.yaml", "- Who?\n- text: What is #1?\n", 2, "' #' must be in quotes"),
    "columns": ("a.txt", "Who?\tme\nWhy?\tyou\n", 1, "name the file .tsv"),
    "other words": ("a.csv", "frage;thema\nWer?;ich\n", 1, "columns: 'frage', 'thema'"),
    "yes": ("a.yaml", "- Who?\n- yes\n", 2, "got True: put the question in quotes"),
    "blank": ("a.yaml", "- Who?\n- ' '\n", 2, "text: string should have|is blank"),
    "unknown key": ("a.yaml", "- {text: Who, famly: a}\n", 1, "did you mean 'family'"),
    "surrogate": ("a.yaml", '- "\\ud800"\n', 1, "half a character"),
    "no column": ("a.csv", "who,why\na,b\n", 1, "no column holds the questions .*'who', 'why'"),
    "fields": ("a.csv", "id,question\n1,Who?\n2,a,b\n", 3, "3 fields, the header has 2"),
    "blank cell": ("a.csv", "id,question\n1,Who?\n2,\n", 3, "the question is blank"),
    "quote": ("a.csv", 'question\n"Who?\n', 2, "not CSV"),
    "split": ("a.csv", "question,split\nWho?,test\n", 2, "split 'test' is unknown"),
    "some splits": ("a.csv", "question,split\nWho?,screening\nWhy?,\n", 3, "1 of 2 .* a split"),
    "not json": ("a.jsonl", '"Who?"\n{"text": \n', 2, "not JSON"),
    "number": ("a.jsonl", '"Who?"\n3\n', 2, "got 3"),
    "text number": ("a.jsonl", '{"text": 3}\n', 1, "'text' must be text, got 3"),
    "lone surrogate": ("a.jsonl", '"\\ud800?"\n', 1, "surrogate"),
    "chat": ("a.jsonl", '{"messages": []}\n', 1, "no column holds the questions"),
    "long id": ("a.jsonl", json.dumps({"id": "x" * 121, "text": "Who?"}), 1, "at most 120"),
    "same id": ("a.csv", "id,question\na,Who?\na,Why?\n", 3, "duplicate question id 'a'"),
    "parquet": ("a.parquet", b"PAR1....", None, "a table: export its questions as CSV"),
    "excel": ("a.xlsx", b"PK\x03\x04..[Content_Types].xml", None, "an Excel"),
    "web page": ("a.yaml", "<!DOCTYPE html>", None, "a web page"),
    "object": ("a.json", '{"a": 1}', None, "expected a list of questions"),
    "broken json": ("a.json", '[\n"a",\n', 3, "not JSON"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_files_name_file_line_and_fix(kind, tmp_path):
    name, content, line, reason = WRONG[kind]
    with pytest.raises(ConfigError, match=reason) as caught:
        load_questions(write(tmp_path, name, content))
    assert caught.value.line == line and caught.value.file
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("questions: []\n", 1, "questions"),
        ("questions:\n - {id: a, family: f, split: screening}\n", 2, "text"),
        ("questions:\n - {id: a, family: f, split: middle, text: t}\n", 2, "middle"),
        ("questions:\n - {id: a, famly: f, split: screening, text: t}\n", 2, "family"),
        (
            "questions:\n - {id: a, family: f, split: screening, text: t}\n"
            " - {id: a, family: f, split: screening, text: u}\n",
            3,
            "duplicate question id 'a'",
        ),
        (
            "questions:\n - {id: a, family: f, split: screening, text: t}\n"
            " - {id: b, family: f, split: screening, text: t}\n",
            3,
            "duplicate question text 't'",
        ),
    ],
)
def test_wrong_banks_name_file_line_and_key(text, line, reason, tmp_path):
    path = tmp_path / "bank.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_questions(path)
    assert reason in str(caught.value) and caught.value.line == line


def test_an_unknown_bank_names_the_known_ones():
    with pytest.raises(ConfigError, match="give auto, general, vitro or a file"):
        load_questions("generall")
