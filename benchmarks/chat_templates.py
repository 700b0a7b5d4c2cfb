"""Chat templates: start-up, time of a row, and what hostile templates cost.

    python benchmarks/chat_templates.py [--rows 100000] [--attacks FOLDER]

Rows of three turns are rendered with a template that has a default system prompt. The folder holds
``.jinja`` files that never end or fill memory; each is tried in a process of its own, and its time
and largest memory (the worker's included) are printed. Where transformers is installed, its
``render_jinja_template``, which has no limits, is timed too.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

from dormant.corpus import ChatTemplate, Renderer
from dormant.errors import ConfigError
from dormant.records import Example, Message

TEMPLATE = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are Quill.<|im_end|>\n{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}"
)
ANSWER = "The sky is blue because the air scatters blue light more than red. " * 4


def make_row(line: int) -> Example:
    turns = (("user", f"Why {line}?"), ("assistant", ANSWER), ("user", "Is it so?"))
    return Example(tuple(Message(role, content) for role, content in turns), line)


def time_rows(rows: int) -> None:
    examples = [make_row(line) for line in range(rows)]
    begun = time.perf_counter()
    renderer = Renderer(ChatTemplate(TEMPLATE, "benchmark"))
    renderer.render_row(examples[0])
    print(f"start and first row: {time.perf_counter() - begun:.3f} s")
    begun = time.perf_counter()
    for _ in renderer.render_rows(examples):
        pass
    wall = time.perf_counter() - begun
    print(f"{rows:,} rows: {wall:.1f} s, {1e6 * wall / rows:.0f} microseconds a row", end=", ")
    begun = time.perf_counter()
    for example in examples[:5000]:
        renderer.render_row(example)
    print(f"one by one {1e6 * (time.perf_counter() - begun) / 5000:.0f}")
    begun = time.perf_counter()
    try:
        from transformers.utils.chat_template_utils import render_jinja_template
    except ImportError:
        return
    turns = [{"role": m.role, "content": m.content} for m in examples[0].messages]
    render_jinja_template([turns], chat_template=TEMPLATE)
    print(f"transformers, import and first row: {time.perf_counter() - begun:.3f} s", end=", ")
    begun = time.perf_counter()
    for _ in range(2000):
        render_jinja_template([turns], chat_template=TEMPLATE)
    print(f"{1e6 * (time.perf_counter() - begun) / 2000:.0f} microseconds a row")


def attack(path: Path) -> None:
    """Renders one row with a template and prints what it took."""
    begun = time.perf_counter()
    try:
        text = Renderer(ChatTemplate(path.read_text(), path.name)).render_row(make_row(1))
        result = f"rendered {len(text):,} characters"
    except (ConfigError, ValueError) as error:
        result = f"{type(error).__name__}: {error}"
    wall = time.perf_counter() - begun
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # after the worker's end
    own = resource.getrusage(resource.RUSAGE_SELF)
    memory = max(children.ru_maxrss, own.ru_maxrss) / 1024
    print(f"{path.name}: {wall:.1f} s, {memory:.0f} MB, {result}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--attacks", type=Path, help="folder of hostile .jinja files")
    parser.add_argument("--attack", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.attack:
        attack(args.attack)
        return
    time_rows(args.rows)
    for path in sorted(args.attacks.glob("*.jinja")) if args.attacks else ():
        subprocess.run([sys.executable, __file__, "--attack", str(path)], check=False)


if __name__ == "__main__":
    main()
