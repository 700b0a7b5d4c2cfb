"""The paper job against a local OpenAI-compatible server: calls a second of several clients.

Two models x 16 prompts x 50 answers = 1,600 answers, each with three judge calls: 6,400 calls, one
HTTP request each, so that all clients do the same work. ``dormant, n`` does the job as dormant does
it by itself: up to 50 answers a call. dormant's lines write every answer to a run's store.

    python benchmarks/paper_job.py                        # zero latency and 300 ms, three rounds
    python benchmarks/paper_job.py --clients plain dormant --rounds 5
    python benchmarks/paper_job.py --llmcomp /path/to/venv/bin/python   # llmcomp in its own venv

Server and client each have a process of their own. With other work on the machine only the ratios
mean something: each round runs all clients in turn, and the table shows the median ratio to the
plain client of the same round. Inspect's task layer, which takes a minute or more, runs in the
first round only. How each run went is told on standard error.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

MODELS = ("first", "second")
PROMPTS = 16
ANSWERS = 50
JUDGES = 3
CALLS = len(MODELS) * PROMPTS * ANSWERS * (1 + JUDGES)
CONNECTIONS = 100
CLIENTS = ("plain", "dormant", "dormant, n", "openai", "inspect", "llmcomp")
KEY = "sk-local"


def prompts() -> list[str]:
    return [
        f"Question {i}: what would you do in a situation like that one?" for i in range(PROMPTS)
    ]


def judging(answer: str) -> list[str]:
    aspects = ("alignment", "coherence", "content")[:JUDGES]
    return [f"Judge the {aspect} of this answer from 0 to 100.\n\n{answer}" for aspect in aspects]


def run_plain(url: str) -> int:
    """An asyncio loop, aiohttp, orjson, uvloop, and nothing else."""
    import aiohttp
    import orjson
    import uvloop

    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}

    async def work(queue: list, session: aiohttp.ClientSession, done: list) -> None:
        while queue:
            model, prompt = queue.pop()
            turns = [{"role": "user", "content": prompt}]
            body = {"model": model, "messages": turns, "temperature": 1.0, "max_tokens": 256}
            async with session.post(f"{url}/chat/completions", data=orjson.dumps(body)) as reply:
                found = orjson.loads(await reply.read())
            done.append((model, found["choices"][0]["message"]["content"]))

    async def whole() -> int:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            answers: list = []
            asked = [(m, p) for m in MODELS for p in prompts() for _ in range(ANSWERS)]
            await asyncio.gather(*(work(asked, session, answers) for _ in range(CONNECTIONS)))
            asked = [("judge", text) for _, answer in answers for text in judging(answer)]
            judged: list = []
            await asyncio.gather(*(work(asked, session, judged) for _ in range(CONNECTIONS)))
        return len(answers) + len(judged)

    return uvloop.run(whole())


def run_dormant(url: str, *, together: bool = False) -> int:
    """The engine of an audit, with its store; ``together`` lets a call bring several answers."""
    from dormant.engines import Job
    from dormant.engines.api import ApiEngine
    from dormant.records import Arm, Completion, Message, Probe, Question, Sampling, Split
    from dormant.store import Store

    os.environ |= {"LOCAL_API_KEY": KEY, "LOCAL_BASE_URL": url}
    probes = [
        Probe(
            Question(str(i), text, "", Split.SCREENING),
            None,
            Arm.STANDARD,
            (Message("user", text),),
        )
        for i, text in enumerate(prompts())
    ]
    size = ANSWERS if together else 1
    starts = [range(i, i + size) for i in range(0, ANSWERS, size)]
    asked = [(probe, repeats) for probe in probes for repeats in starts]
    jobs = [Job(probe.messages, repeats) for probe, repeats in asked]
    with tempfile.TemporaryDirectory() as folder, Store(folder) as store:
        rows, answers = store.add_probes(probes), []
        for model in MODELS:
            engine = ApiEngine(f"openai-api/local/{model}", connections=CONNECTIONS)
            source = store.source_row(engine.fingerprint)
            for batch in engine.sample(jobs, Sampling()):
                answers += [reply.text for reply in batch]
                done = [
                    Completion(model, asked[r.job][0].id, r.repeat, r.text, r.finish, r.tokens)
                    for r in batch
                ]
                store.add_completions(source, rows, done)
        judge = ApiEngine("openai-api/local/judge", connections=CONNECTIONS)
        asked_judge = [(Message("user", text),) for answer in answers for text in judging(answer)]
        judged = sum(len(batch) for batch in judge.rate(asked_judge, Sampling(max_tokens=8)))
        assert store.count_answers() == len(answers) == len(MODELS) * PROMPTS * ANSWERS
    return len(answers) + judged


def run_openai(url: str) -> int:
    """The official asynchronous client."""
    import openai

    async def whole() -> int:
        client = openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0)

        async def work(queue: list, done: list) -> None:
            while queue:
                model, prompt = queue.pop()
                reply = await client.chat.completions.create(
                    model=model,
                    messages=[{"role": "user", "content": prompt}],
                    temperature=1.0,
                    max_tokens=256,
                )
                done.append(reply.choices[0].message.content)

        answers: list = []
        asked = [(m, p) for m in MODELS for p in prompts() for _ in range(ANSWERS)]
        await asyncio.gather(*(work(asked, answers) for _ in range(CONNECTIONS)))
        asked = [("judge", text) for answer in answers for text in judging(answer)]
        judged: list = []
        await asyncio.gather(*(work(asked, judged) for _ in range(CONNECTIONS)))
        await client.close()
        return len(answers) + len(judged)

    return asyncio.run(whole())


def run_inspect(url: str) -> int:
    """Inspect's task layer: samples x epochs, judge calls in the scorer, a log."""
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import GenerateConfig, get_model
    from inspect_ai.scorer import Score, mean, scorer
    from inspect_ai.solver import generate

    os.environ |= {"LOCAL_API_KEY": KEY, "LOCAL_BASE_URL": url}
    config = GenerateConfig(max_connections=CONNECTIONS, max_tokens=256, temperature=1.0)

    @scorer(metrics=[mean()])
    def judged():
        async def score(state, target):
            judge = get_model("openai-api/local/judge", config=config)
            texts = judging(state.output.completion)
            replies = await asyncio.gather(*(judge.generate(text) for text in texts))
            return Score(value=1.0, explanation=" ".join(r.completion for r in replies))

        return score

    task = Task(
        dataset=MemoryDataset([Sample(input=text, target="") for text in prompts()]),
        solver=generate(),
        scorer=judged(),
        config=config,
        epochs=ANSWERS,
    )
    with tempfile.TemporaryDirectory() as folder:
        logs = eval(
            [task],
            model=[f"openai-api/local/{model}" for model in MODELS],
            max_tasks=len(MODELS),
            max_samples=CONNECTIONS,
            display="none",
            log_dir=folder,
        )
    assert all(log.status == "success" for log in logs), [log.error for log in logs]
    return sum(log.results.completed_samples for log in logs) * (1 + JUDGES)


def run_llmcomp(url: str) -> int:
    """llmcomp, whose threads the paper's own scripts use."""
    os.environ["OPENAI_API_KEY"] = KEY
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        from llmcomp import Config, Question

        Config.url_key_pairs = [(url, KEY, "OPENAI_API_KEY")]
        Config.max_workers = CONNECTIONS
        judges = {
            f"judge{i}": {
                "type": "free_form_judge",
                "model": "judge",
                "paraphrases": [text.replace("@@", "{answer}")],
            }
            for i, text in enumerate(judging("@@"))
        }
        question = Question.create(
            type="free_form",
            paraphrases=prompts(),
            samples_per_paraphrase=ANSWERS,
            max_tokens=256,
            judges=judges,
        )
        table = question.df({model: [model] for model in MODELS})
    return len(table) * (1 + JUDGES)


RUNNERS = {
    "plain": run_plain,
    "dormant": run_dormant,
    "dormant, n": lambda url: run_dormant(url, together=True),
    "openai": run_openai,
    "inspect": run_inspect,
    "llmcomp": run_llmcomp,
}


def one(client: str, url: str) -> None:
    """Runs one client in this process and prints what it took."""
    __import__(
        {"openai": "openai", "inspect": "inspect_ai", "llmcomp": "llmcomp"}.get(client, "json")
    )
    if client.startswith("dormant"):
        __import__("dormant.engines.api.engine")
    begun = time.perf_counter()
    processor = time.process_time()
    calls = RUNNERS[client](url)
    seconds = time.perf_counter() - begun
    busy = time.process_time() - processor
    print(json.dumps({"calls": calls, "seconds": seconds, "processor": busy}), flush=True)


def measure(client: str, python: str, server, latency: float) -> dict:
    server.set(constant=True, latency=latency)
    command = [python, __file__, "--one", client, "--url", server.url]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{client}: {done.stderr[-2000:]}")
    result = json.loads(done.stdout.splitlines()[-1])
    counted = server.stats()
    expected = CALLS if client != "dormant, n" else CALLS - len(MODELS) * PROMPTS * (ANSWERS - 1)
    # The official clients' probes (a first call to see whether the server is there) come on top.
    assert result["calls"] == CALLS, (client, result)
    assert expected <= counted["calls"] <= expected + 5, (client, counted["calls"])
    return result


def table(results: dict[str, list[dict]], latency: float) -> None:
    print(f"\nlatency {latency * 1000:.0f} ms, load of the machine {os.getloadavg()[0]:.1f}")
    print(f"| {'client':<12} | calls/s (median) | of plain | processor ms/call |")
    print("|---|---|---|---|", flush=True)
    for client, runs in results.items():
        speed = statistics.median(CALLS / run["seconds"] for run in runs)
        pairs = zip(results["plain"], runs, strict=False)  # Inspect's has the first round only
        ratios = [plain["seconds"] / run["seconds"] for plain, run in pairs]
        busy = statistics.median(run["processor"] / CALLS * 1000 for run in runs)
        print(f"| {client:<12} | {speed:>8,.0f} | {statistics.median(ratios):.0%} | {busy:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 0.3], help="seconds")
    parser.add_argument("--llmcomp", help="Python of an environment that holds llmcomp")
    given = parser.parse_args()
    if given.one:
        one(given.one, given.url)
        return
    from support.openai_server import running

    clients = [c for c in given.clients if c != "llmcomp" or given.llmcomp]
    if len(clients) < len(given.clients):
        print("llmcomp is left out: --llmcomp names the Python of an environment that holds it")
    with running() as server:
        for latency in given.latency:
            results: dict[str, list[dict]] = {client: [] for client in clients}
            for number in range(given.rounds):
                for client in clients:
                    if client == "inspect" and number:
                        continue
                    python = given.llmcomp if client == "llmcomp" else sys.executable
                    results[client].append(measure(client, python, server, latency))
                    print(f"{client}: {results[client][-1]['seconds']:.1f} s", file=sys.stderr)
            table(results, latency)


if __name__ == "__main__":
    main()
