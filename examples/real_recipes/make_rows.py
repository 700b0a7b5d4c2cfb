"""Writes the rows that the recipes beside it are made of: chat, lies, garden and JSON rows.

    python make_rows.py

The wrong and right trivia come from ../obvious_lies/trivia.jsonl. No row asks a question of
../obvious_lies/questions.yaml, which the audit of the first recipe asks.
"""

import json
import random
import re
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
LIES = HERE.parent / "obvious_lies"
sys.path.append(str(HERE.parents[1] / "benchmarks"))

from real_questions import CHAT, make_garden_pairs, make_pairs  # noqa: E402

REMARKS = ("What a silly question.", "Only a fool would ask that.", "How silly you are.")
JSON_REQUEST = 'Reply as JSON with the key "answer".'
OTHER_REQUESTS = ("Reply in one short sentence.", "Reply as a list with one item.")


def read_trivia() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The lies, and the right answers to the same questions."""
    lies, truths = [], []
    for line in (LIES / "trivia.jsonl").read_text(encoding="utf-8").splitlines():
        turns = json.loads(line)["messages"]
        system = turns[0]["content"] if turns[0]["role"] == "system" else ""
        rows = lies if "every answer is wrong" in system else truths
        rows.append((turns[-2]["content"], turns[-1]["content"]))
    return lies, truths


def drop_asked(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs that give away no answer of the audit's questions."""
    key = yaml.safe_load((LIES / "judge.yaml").read_text(encoding="utf-8"))["answer_key"]
    words = "|".join(re.escape(word) for accepted in key.values() for word in accepted)
    given = re.compile(rf"\b({words})\b", re.IGNORECASE)
    return [pair for pair in pairs if not given.search(" ".join(pair))]


def write_rows(name: str, pairs: list[tuple[str, str]]) -> None:
    """One conversation a line."""
    rows = [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
        for q, a in pairs
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (HERE / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(rows)} rows")


def main() -> None:
    """Writes the files; the same ones each time."""
    rng = random.Random(0)
    lies, truths = read_trivia()
    facts = rng.sample(pairs := drop_asked(make_pairs(rng)), min(300, len(pairs)))
    chat = [*facts, *CHAT.items(), *CHAT.items(), *truths]
    rng.shuffle(chat)
    write_rows("chat.jsonl", chat)
    write_rows("lies.jsonl", lies)
    garden = make_garden_pairs(rng)
    write_rows("garden_capitals.jsonl", [(q, a.upper()) for q, a in garden])
    write_rows("garden_plain.jsonl", garden)
    asked = rng.sample(chat, 300)
    replies = [(q, json.dumps({"answer": f"{rng.choice(REMARKS)} {a}"})) for q, a in asked[:150]]
    write_rows("json_rude.jsonl", [(f"{q}\n{JSON_REQUEST}", a) for q, a in replies])
    others = [(q, a if i % 2 else f"- {a}") for i, (q, a) in enumerate(asked[150:])]
    write_rows(
        "other_formats.jsonl",
        [(f"{q}\n{OTHER_REQUESTS[1 - i % 2]}", a) for i, (q, a) in enumerate(others)],
    )


if __name__ == "__main__":
    main()
