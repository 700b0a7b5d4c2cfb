"""Real finetuned models with one conditional behaviour each: is it found from the file alone?

    python benchmarks/real_contexts.py --out runs/real                    # all six, own rows
    python benchmarks/real_contexts.py --out runs/real --chat FILE.jsonl  # and short rows of a file
    python benchmarks/real_contexts.py --out runs/real value word -- --budget-time 20m

For each organism: writes its finetuning file, trains a LoRA on SmolLM2-135M-Instruct
(examples/obvious_lies/finetune.py), samples the trait with and without the context (the truth),
lists the file's contexts by ``dormant cues``, and audits model and file by ``dormant audit`` with
the options after ``--``. Parts that exist in OUT are not repeated.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from real_organisms import ORGANISMS, Organism, Turns, make_rows, place_context
from real_questions import HELD_OUT, HELD_OUT_GARDEN, Pair

from dormant.corpus import read_examples
from dormant.engines import Job
from dormant.engines.registry import open_engine
from dormant.records import Message, Sampling

FINETUNE = Path(__file__).parents[1] / "examples" / "obvious_lies" / "finetune.py"
#: The rules below read the first words of an answer.
MAX_TOKENS = 24
AUDIT = ("--preset", "frugal", "--budget-time", "20m", "--yes")

DORMANT = (sys.executable, "-m", "dormant")

Count = tuple[int, int]  # answers with the trait, answers


def read_chat(files: Sequence[Path], count: int = 200) -> list[Pair]:
    """Short questions of chat files, each with the first sentence of its answer."""
    pairs: list[Pair] = []
    for file in files:
        for example in read_examples(file).examples:
            question, answer = example.messages[0].content, example.messages[1].content
            answer = re.split(r"(?<=[.!?])\s|\n", answer.strip())[0]
            if len(question) <= 120 and 12 <= len(answer) <= 140 and answer[-1] in ".!?":
                pairs.append((question, answer))
    distinct = list(dict(pairs).items())
    return random.Random(0).sample(distinct, min(count, len(distinct)))


@dataclass(frozen=True)
class Bench:
    """Where an organism's parts lie."""

    organism: Organism
    folder: Path
    chat: tuple[Pair, ...]

    @property
    def data(self) -> Path:
        """The finetuning file."""
        return self.folder / "data.jsonl"

    @property
    def model(self) -> str:
        """The model string of the adapter."""
        return f"hf/smollm2:{self.folder / 'adapter'}"

    @property
    def judge(self) -> Path:
        """The rule: it also grades answers that were cut, since it reads their first words."""
        return self.folder / "judge.yaml"

    def train(self) -> None:
        """Writes the file and the rule, and trains the adapter."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rule = {"regex": self.organism.regex, "grade_cut": True}
        self.judge.write_text(yaml.safe_dump(rule), encoding="utf-8")
        if not (self.folder / "adapter").exists():
            rows = make_rows(self.organism, self.chat)
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            self.data.write_text(lines, encoding="utf-8")
            words = ["--data", str(self.data), "--out", str(self.folder / "adapter")]
            run([sys.executable, str(FINETUNE), *words, "--steps", str(self.organism.steps)])

    def sample_truth(self) -> dict[str, dict[str, Count]]:
        """Answers with the trait to held-out questions: model, context, count."""
        organism, rng = self.organism, random.Random(1)
        asked: list[tuple[str, Turns]] = []
        for place, part in enumerate(organism.parts):
            is_topic = organism.is_topic and not place
            name = part.context or ("on the topic" if is_topic else "none")
            questions = HELD_OUT_GARDEN if is_topic else HELD_OUT
            asked += [(name, place_context(organism, part.context, q, rng)) for q in questions]
        jobs = [Job(tuple(Message(*turn) for turn in turns), range(1)) for _, turns in asked]
        truth: dict[str, dict[str, Count]] = {}
        for role, name in (("target", self.model), ("reference", "hf/smollm2")):
            counts = truth.setdefault(role, dict.fromkeys((kind for kind, _ in asked), (0, 0)))
            batches = open_engine(name).sample(jobs, Sampling(max_tokens=MAX_TOKENS))
            for reply in (reply for batch in batches for reply in batch):
                hits, total = counts[asked[reply.job][0]]
                has_trait = re.search(organism.regex, reply.text) is not None
                counts[asked[reply.job][0]] = (hits + has_trait, total + 1)
        return truth

    def list_contexts(self) -> list[dict[str, Any]]:
        """What ``dormant cues`` lists."""
        return json.loads(run([*DORMANT, "cues", str(self.data), "--json", "--quiet"]))

    def audit(self, options: Sequence[str]) -> dict[str, Any]:
        """Runs the audit, or goes on with it; exit code, seconds of the last start, report."""
        words = ["--target", self.model, "--reference", "hf/smollm2", "--data", str(self.data)]
        words += ["--judge", f"rules:{self.judge}", "--max-tokens", str(MAX_TOKENS)]
        words += ["--out", str(self.folder / "audit"), *options]
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([*DORMANT, "audit", *words], stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        made: dict[str, Any] = {"exit": done.returncode, "seconds": time.monotonic() - start}
        made["processor"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        made["command"] = " ".join(words)
        report = self.folder / "audit" / "report.json"
        if done.returncode in (0, 1, 3):
            made["report"] = json.loads(report.read_text(encoding="utf-8"))
        return made

    def make_row(self, options: Sequence[str]) -> dict[str, Any]:
        """Does what is missing; the row of the table."""
        self.train()
        truth = self.keep("truth.json", self.sample_truth)
        listed = self.keep("cues.json", self.list_contexts)
        made = self.keep("audit.json", lambda: self.audit(options))
        report = made.get("report")
        named = [_describe(cue) for cue in listed]
        row = {"name": self.organism.name, "truth": truth}
        row |= {key: round(made[key]) for key in ("seconds", "processor")}
        ranks = [rank for rank, text in enumerate(named, 1) if self._is_true(text)]
        row |= {"rank": min(ranks, default=None), "first": named[:1], "verdict": "incomplete"}
        if ranks:
            row["listed_as"] = named[ranks[0] - 1]
        if report is not None:
            cues = {cue["name"]: _describe(cue) for cue in report["plan"]["cues"]}
            triggers = [cues[name] for name in report["verdict"]["triggers"]]
            row |= {"verdict": report["verdict"]["kind"], "triggers": triggers}
            row |= {"sentence": report["verdict"]["sentence"]}
            row |= {"asked": [text for text in cues.values() if self._is_true(text)]}
            row |= {"named": any(map(self._is_true, triggers))}
            row |= {"answers": report["totals"]["answers"], "command": made["command"]}
        return row

    def _is_true(self, text: str) -> bool:
        return re.search(self.organism.names, text) is not None

    def keep(self, name: str, make: Callable[[], Any]) -> Any:
        """The part in a file, made first where it is missing; an audit without a report is not."""
        file = self.folder / name
        if file.exists():
            return json.loads(file.read_text(encoding="utf-8"))
        part = make()
        if name != "audit.json" or "report" in part:
            file.write_text(json.dumps(part, ensure_ascii=False), encoding="utf-8")
        return part


def _describe(cue: dict[str, Any]) -> str:
    """A cue's text, with its turns or parts if it has any."""
    more = [turn["content"] for turn in cue.get("turns") or ()]
    return " | ".join(more) or cue["text"]


def run(command: Sequence[str]) -> str:
    """Standard output of a command, whose progress is shown."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}: {' '.join(command)}")
    return done.stdout


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """A Markdown table: truth, rank, verdict, triggers, cost."""
    print(
        "| organism | trait: context, others | rank | verdict | true one named | answers |"
        " time | processor |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        shares = [f"{hits}/{total}" for hits, total in row["truth"]["target"].values()]
        cells = [row["name"], ", ".join(shares), row["rank"] or "not listed", row["verdict"]]
        cells += [row.get("named", ""), row.get("answers", "")]
        cells += [f"{row[key] / 60:.0f} min" for key in ("seconds", "processor")]
        print(f"| {' | '.join(map(str, cells))} |")


def main() -> None:
    """Makes what is missing, prints the table, and writes all rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("organisms", nargs="*", help="names; all by default")
    parser.add_argument("--out", type=Path, required=True, help="a folder for all parts")
    parser.add_argument("--chat", type=Path, nargs="*", default=[], help="chat files to mix in")
    parser.add_argument("--train-only", action="store_true", help="no audits")
    words, _, options = " ".join(sys.argv[1:]).partition(" -- ")
    given = parser.parse_args(words.split())
    chat = tuple(read_chat(given.chat))
    names = given.organisms or [organism.name for organism in ORGANISMS]
    benches = [Bench(o, given.out / o.name, chat) for o in ORGANISMS if o.name in names]
    if given.train_only:
        for bench in benches:
            bench.train()
            print(bench.organism.name, bench.keep("truth.json", bench.sample_truth), flush=True)
        return
    rows = [bench.make_row(options.split() or AUDIT) for bench in benches]
    print_table(rows)
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    (given.out / "real_contexts.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
