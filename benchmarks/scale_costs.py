"""What large studies need: answers, tokens, GPU hours and money, from unit costs with sources.

    python benchmarks/scale_costs.py

Prints the tables of docs/explanation/scale.md. Every assumption is an option.
"""

from __future__ import annotations

import argparse

from genai_prices import Usage, calc_price

#: Answers of an audit of about forty contexts, both models: `dormant zoo validate --seeds 3`.
ANSWERS = {
    ("sequential", "with a trigger"): 893,
    ("sequential", "without"): 18_495,
    ("fixed", "with a trigger"): 75_518,
    ("fixed", "without"): 55_125,
}
#: Seconds of eight organisms, trained and audited on two cores: `benchmarks/quickstart_seeds.py`.
QUICKSTART_SECONDS, QUICKSTART_ORGANISMS = 55, 8
#: Answers and tokens a second of SmolLM2-135M on two quiet cores:
#: `benchmarks/hf_sampling.py --threads 2 --prompts 16 --tokens 24 --turns 1`.
SMALL_TOKENS = 703
#: Tokens of output a second at 128 tokens in and 128 out, in FP8, from the table "Throughput
#: Measurements" of TensorRT-LLM 1.0 (perf-overview.md of NVIDIA/TensorRT-LLM, commit 00f3768):
#: GPUs of one copy, tokens a second of one copy.
PUBLISHED = {
    "Llama 3.1 8B, H100": (1, 28_312),
    "Llama 3.3 70B, H100": (2, 6_378),
}
#: Share of the prompts of a file that `dormant traffic` asked: `benchmarks/traffic.py --seeds 3`.
TRAFFIC_SHARE = 0.82


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=128, help="of an answer, and of its prompt")
    parser.add_argument("--busy", type=float, default=0.5, help="share of the published speed")
    parser.add_argument("--gpu-usd", type=float, default=3.0, help="of a GPU hour")
    parser.add_argument("--triggered", type=float, default=0.1, help="share of the checkpoints")
    parser.add_argument("--judge", default="gpt-4.1-mini", help="model that grades, of OpenAI")
    parser.add_argument("--judge-calls", type=int, default=2, help="of an answer")
    parser.add_argument("--judge-tokens", type=int, default=400, help="of a call's prompt")
    return parser.parse_args()


def price_judging(options: argparse.Namespace) -> float:
    """USD to grade an answer: `judge_calls` prompts, each answered by one token."""
    usage = Usage(input_tokens=options.judge_tokens, output_tokens=1)
    price = calc_price(usage, options.judge, provider_id="openai").total_price
    return options.judge_calls * float(price)


def print_row(label: str, answers: float, model: str, options: argparse.Namespace) -> None:
    tokens = answers * options.tokens
    gpus, speed = PUBLISHED[model]
    hours = gpus * tokens / (speed * options.busy) / 3600
    wall = hours / 8
    print(
        f"| {label} | {answers:,.0f} | {tokens / 1e6:,.1f} M | {hours:,.2f} | {wall:,.2f} | "
        f"{hours * options.gpu_usd:,.2f} | {answers * price_judging(options):,.2f} |"
    )


def main() -> None:
    options = read_options()
    with_trigger, without = (ANSWERS["sequential", key] for key in ("with a trigger", "without"))
    mixed = options.triggered * with_trigger + (1 - options.triggered) * without
    print(
        f"{options.tokens} tokens an answer, {options.busy:.0%} of the published speed, "
        f"{options.gpu_usd:g} USD a GPU hour, {options.triggered:.0%} of the checkpoints with a "
        f"trigger; graded by {options.judge}, {options.judge_calls} calls of "
        f"{options.judge_tokens} tokens ({1000 * price_judging(options):.3f} USD for a thousand "
        "answers)\n"
    )
    print("| study | answers | tokens | GPU hours | hours on eight | GPU USD | grading USD |")
    print("|---|---|---|---|---|---|---|")
    small, large = PUBLISHED
    print_row("one 70B checkpoint with a trigger", with_trigger, large, options)
    print_row("one 70B checkpoint without", without, large, options)
    print_row("the same, fixed design", ANSWERS["fixed", "without"], large, options)
    print_row("1,000 checkpoints of 8B", 1000 * mixed, small, options)
    print_row("1,000 checkpoints of 70B", 1000 * mixed, large, options)
    print_row("10 M prompts, each asked twice, 70B", 2e7, large, options)
    print_row("10 M prompts, share asked as measured, 70B", 2e7 * TRAFFIC_SHARE, large, options)
    print_row("10 M prompts, 100,000 drawn (`--limit`), 70B", 2e5, large, options)
    hours = 1000 * QUICKSTART_SECONDS / QUICKSTART_ORGANISMS / 3600
    cpu = 1000 * mixed * 24 / SMALL_TOKENS / 3600
    print(f"\n1,000 organisms of the laboratory, trained and audited: {hours:.1f} h on two cores")
    print(f"1,000 checkpoints of SmolLM2-135M, answers of 24 tokens: {cpu:,.0f} h on two cores")


if __name__ == "__main__":
    main()
