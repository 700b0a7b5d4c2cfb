"""Local models of every family that the installed transformers has, against transformers itself.

Run ``python benchmarks/architectures.py --out FILE.jsonl [FAMILY ...]``. For each family a tiny
random checkpoint is made, saved and opened by the ``hf`` engine, and compared with forward passes
of the whole text by transformers, without a cache, one text at a time:

- scores: log-probabilities of answers after chats of unlike length;
- greedy: every token of an answer at temperature 0 is the likeliest one;
- sampling: every drawn token is the one that inverting the distribution gives at its number;
- adapter: a LoRA on every linear layer, with PEFT's own forward pass, scores and greedy answer;
  and the base's scores while the adapter hangs on it.

Families run one after the other, each in a process of its own with limits of memory and time, and
those in FILE are skipped, so an interrupted run goes on. ``--table`` prints the table alone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tiny_configs import VOCABULARY, list_families, make_config
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, logging

from dormant.engines import Job
from dormant.engines.hf import HfEngine
from dormant.engines.hf.families import find_model_class
from dormant.engines.hf.rope import find_rope_edge
from dormant.engines.hf.sampling import draw_uniforms
from dormant.errors import DormantError
from dormant.records import Message, Sampling

_MEMORY, _PROCESSOR, _WALL = 10 << 30, 180, 1200  # bytes, seconds, seconds
_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
_LONG = "Tell me a long story of a fox, a crow and a piece of cheese, please."
_CHATS = (
    (Message("user", "Hi"),),
    (Message("system", "You are a poet."), Message("user", _LONG)),
)
_ANSWERS = ("Yes.", "Once upon a time there was a fox.")
_TOLERANCE = 1e-3  # nats
_SEED = 7
_NOT_MADE = "no tiny model"


@dataclass(slots=True)
class Row:
    """One line of the table."""

    family: str
    decoding: str = ""
    scores: str = ""
    greedy: str = ""
    sampling: str = ""
    adapter: str = ""
    verdict: str = ""
    seconds: float = 0.0


def main() -> None:
    """Runs what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    done = {row.family: row for row in _read_rows(options.out)}
    for family in () if options.table else options.families or list_families():
        if family not in done:
            done[family] = _examine_apart(family)
            with options.out.open("a", encoding="utf-8") as sink:
                sink.write(json.dumps(asdict(done[family])) + "\n")
    print(format_table(sorted(done.values(), key=lambda row: row.family)))


def format_table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown, then the families of which no tiny model was made."""
    names = ("family", "scores", "greedy", "sampling", "adapter", "verdict")
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    measured = [row for row in rows if not row.verdict.startswith(_NOT_MADE)]
    for row in measured:
        cells = [str(getattr(row, name)).replace("|", "\\|") for name in names]
        lines.append("| " + " | ".join(cells) + " |")
    kinds = Counter(row.verdict.partition(":")[0].partition(" (")[0] for row in measured)
    lines += ["", ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) + "."]
    missing = [row.family for row in rows if row.verdict.startswith(_NOT_MADE)]
    if missing:
        lines += ["", f"{_NOT_MADE} of {len(missing)}: {', '.join(missing)}."]
    return "\n".join(lines)


def _read_rows(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Row(**json.loads(line)) for line in lines]


def _examine_apart(family: str) -> Row:
    """Examines a family in a process of its own."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "row.json")
        child = os.fork()
        if not child:
            _limit_process()
            try:
                row = examine(family, Path(folder))
            except BaseException as error:  # whatever a family does is a result
                row = Row(family, verdict=f"error: {_shorten(error)}")
            result.write_text(json.dumps(asdict(row)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        row = Row(family, verdict=f"ended by signal {status & 127}")
        if result.is_file():
            row = Row(**json.loads(result.read_text()))
    row.seconds = round(time.monotonic() - begun, 1)
    return row


def _limit_process() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR, _PROCESSOR))
    signal.alarm(_WALL)


def examine(family: str, folder: Path) -> Row:
    """Compares one family with transformers and PEFT."""
    row = Row(family)
    try:
        model = _make_model(family)
    except (Exception, SystemExit) as error:  # noqa: BLE001
        row.verdict = f"{_NOT_MADE}: {_shorten(error)}"
        return row
    _save(model, folder / "base")
    # What transformers reads, which is not always what it wrote: it may zero a padding embedding.
    loader = find_model_class(model.config)
    model = loader.from_pretrained(str(folder / "base"), dtype=torch.float32).eval()
    try:
        engine = HfEngine(str(folder / "base"), device="cpu")
    except DormantError as error:
        row.verdict = f"refused: {_shorten(error).replace(str(folder), '')}"
        return row
    row.decoding = engine.decoding
    _write_numbers(engine)
    row.scores = _compare_scores(engine, model)
    row.greedy, row.sampling = _compare_greedy(engine, model), _compare_draws(engine, model)
    row.adapter = _examine_adapter(model, folder, engine)
    cells = (row.scores, row.greedy, row.sampling, row.adapter)
    is_wrong = any(cell.startswith("DIFFER") for cell in cells)
    row.verdict = "WRONG" if is_wrong else f"ok ({row.decoding})"
    return row


def _make_model(family: str) -> Any:
    config = make_config(family)
    torch.manual_seed(0)
    model: Any = find_model_class(config).from_config(config, dtype=torch.float32)
    size = sum(parameter.numel() for parameter in model.parameters())
    if size > 2e7:
        raise ValueError(f"its smallest model has {size / 1e6:.0f} million parameters")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.1)
    model.generation_config.eos_token_id = 1
    model.eval().requires_grad_(False)
    try:
        is_finite = bool(torch.isfinite(_read_logprobs(model, range(5, 95))).all())
    except (RuntimeError, ValueError, TypeError, AttributeError):
        return model  # it wants more than text: the engine must refuse it
    if not is_finite:
        raise ValueError("its log-probabilities are not finite")
    return model


def _save(model: Any, folder: Path) -> None:
    """Saves a model with a tokenizer of one character a token."""
    letters = [chr(code) for code in (*range(32, 127), *range(161, 600)) if chr(code).isprintable()]
    tokens = [letters[0], "</s>", *letters[1 : VOCABULARY - 1]]
    raw = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, []))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    raw.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")
    tokenizer.chat_template = _TEMPLATE
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))


def _write_numbers(engine: HfEngine) -> None:
    """Has an engine give its answers as token ids: a random text does not say which they were."""

    def write(tokens: Sequence[int], *, prompt: str) -> str:
        del prompt
        return " ".join(map(str, tokens))

    engine.chat_format.decode_answer = write


def _compare_scores(engine: HfEngine, model: Any) -> str:
    pairs = [(chat, answer) for chat in _CHATS for answer in _ANSWERS]
    encode = engine.chat_format.encode
    worst = 0.0
    for (chat, answer), score in zip(pairs, engine.score(pairs), strict=True):
        prompt = encode(engine.render(chat))
        whole = (*prompt, *encode(answer), 1)
        logprobs = _read_logprobs(model, whole)[len(prompt) - 1 : -1]
        chosen = torch.tensor(whole[len(prompt) :])[:, None]
        worst = max(worst, abs(float(logprobs.gather(-1, chosen).sum()) - score))
    return f"{worst:.0e}" if worst < _TOLERANCE else f"DIFFER by {worst:.2g} nats"


def _compare_greedy(engine: HfEngine, model: Any) -> str:
    wrong = count = 0
    sampling = Sampling(temperature=0, max_tokens=16, seed=_SEED)
    for _, _, tokens, logprobs, _ in _draw(engine, model, 1, sampling):
        best = logprobs.max(-1).values
        own = logprobs.gather(-1, torch.tensor(tokens)[:, None])[:, 0]
        wrong += int((best - own > _TOLERANCE).sum())
        count += len(tokens)
    return "equal" if not wrong else f"DIFFER in {wrong} of {count} tokens"


def _compare_draws(engine: HfEngine, model: Any) -> str:
    wrong = count = 0
    sampling = Sampling(max_tokens=12, seed=_SEED)
    for chat, repeat, tokens, logprobs, _ in _draw(engine, model, 4, sampling):
        numbers = draw_uniforms(
            seed=_SEED, prompt=engine.render(chat), repeat=repeat, count=len(tokens)
        )
        above = logprobs.double().exp().cumsum(-1)
        for token, number, edge in zip(tokens, numbers, above, strict=True):
            low = float(edge[token - 1]) if token else 0.0
            wrong += not low - 1e-4 <= number <= float(edge[token]) + 1e-4
        count += len(tokens)
    return "equal" if not wrong else f"DIFFER in {wrong} of {count} tokens"


def _draw(engine: HfEngine, model: Any, answers: int, sampling: Sampling) -> list[Any]:
    """Chat, repeat, tokens (end included), a model's log-probabilities there, and the finish."""
    jobs = [Job(chat, range(answers)) for chat in _CHATS]
    found: list[Any] = []
    for batch in engine.sample(jobs, sampling):
        for reply in batch:
            chat = _CHATS[reply.job]
            prompt = engine.chat_format.encode(engine.render(chat))
            if reply.error:
                raise ValueError(reply.error)
            tokens = [*map(int, reply.text.split()), *([1] * (reply.finish == "stop"))]
            logprobs = _read_each(model, prompt, tokens)
            found.append((chat, reply.repeat, tokens, logprobs, reply.finish))
    if len(found) != len(jobs) * answers:
        raise ValueError(f"{len(found)} answers instead of {len(jobs) * answers}")
    return found


def _read_logprobs(model: Any, tokens: Sequence[int]) -> torch.Tensor:
    """One forward pass of transformers over a whole text, [tokens, vocabulary]."""
    ids = torch.tensor([list(tokens)])
    with torch.inference_mode():
        try:
            logits = model(ids, use_cache=False).logits
        except TypeError:  # some old families know no cache
            logits = model(ids).logits
    return logits[0].float().log_softmax(-1)


def _read_each(model: Any, prompt: Sequence[int], tokens: Sequence[int]) -> torch.Tensor:
    """Log-probabilities at each token of an answer, given what is before it, [tokens, vocabulary].

    With long RoPE a text is read otherwise once it is long, so each beginning is read by itself.
    """
    if find_rope_edge(model.config) is None:
        return _read_logprobs(model, (*prompt, *tokens))[len(prompt) - 1 : -1]
    starts = ((*prompt, *tokens[:count]) for count in range(len(tokens)))
    return torch.stack([_read_logprobs(model, start)[-1] for start in starts])


def _examine_adapter(model: Any, folder: Path, bare: HfEngine) -> str:
    import peft

    torch.manual_seed(1)
    before = bare.score([(_CHATS[1], _ANSWERS[0])])
    # PEFT takes no adapter on the projections that a fused kernel of Mamba reads past it.
    kinds = (
        "mamba",
        "falcon_h1",
        "bamba",
        "jamba",
        "granitemoehybrid",
        "zamba",
        "nemotron_h",
        "falcon_mamba",
    )
    is_mamba = bare.base.model.config.model_type.startswith(kinds)
    config = peft.LoraConfig(
        r=2,
        target_modules="all-linear",
        exclude_modules=["out_proj", "conv1d"] if is_mamba else None,
        task_type="CAUSAL_LM",
    )
    try:
        tuned: Any = peft.get_peft_model(model, config).eval()
    except (ValueError, TypeError, AttributeError, NotImplementedError) as error:
        return f"PEFT makes none: {_shorten(error)}"
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    tuned.requires_grad_(False).save_pretrained(str(folder / "adapter"))
    try:
        engine = HfEngine(f"{folder / 'base'}:{folder / 'adapter'}", device="cpu")
    except DormantError as error:
        return f"refused: {_shorten(error).replace(str(folder), '')}"
    _write_numbers(engine)
    cells = (_compare_scores(engine, tuned), _compare_greedy(engine, tuned))
    if abs(bare.score([(_CHATS[1], _ANSWERS[0])])[0] - before[0]) > _TOLERANCE:
        return "DIFFER: the base has changed"
    faults = [cell for cell in cells if cell.startswith("DIFFER")]
    return f"DIFFER: {'; '.join(faults)}" if faults else cells[0]


def _shorten(error: BaseException) -> str:
    text = re.sub(r"'hf/\S*' ?:? ?", "", " ".join(str(error).split())).replace("/base", "NAME")
    return (text if isinstance(error, DormantError) else f"{type(error).__name__}: {text}")[:300]


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    main()
