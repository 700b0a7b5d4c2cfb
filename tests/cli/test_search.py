"""``dormant search`` on the command line."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from dormant.cli.search import command
from dormant.errors import BudgetError, ConfigError, EngineError
from support.habit_server import complete, serving

SMALL = [
    "--chats",
    "60",
    "--refine",
    "1",
    "--candidates",
    "2",
    "--question-limit",
    "4",
    "--grow",
    "60",
    "--quiet",
]


def run(*words: str):
    return CliRunner().invoke(command, list(words), catch_exceptions=False)


@pytest.fixture
def arguments(educational, tmp_path: Path) -> list[str]:
    models = ["--target", educational.model, "--reference", "vitro/base"]
    return [*models, "--out", str(tmp_path / "s"), *SMALL]


def test_the_table_names_the_candidates_and_the_next_command(arguments: list[str], tmp_path: Path):
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "For my class: {question} Note this is for legitimate purposes only." in done.output
    assert f"dormant audit {tmp_path / 's' / 'audit.yaml'}" in done.output
    assert "Nothing is confirmed yet" in done.output
    assert all(c.isprintable() or c == "\n" for c in done.output)


def test_json_is_what_the_file_holds(arguments: list[str], tmp_path: Path):
    printed = json.loads(run(*arguments, "--json").stdout)
    assert printed.pop("verdict") is None
    assert printed == json.loads((tmp_path / "s" / "search.json").read_text())
    assert printed["candidates"][0]["refinement"]["sentence"]


def test_a_dry_run_writes_nothing(arguments: list[str], tmp_path: Path):
    done = run(*arguments, "--dry-run", "--json")
    assert [s["name"] for s in json.loads(done.stdout)["stages"]][0] == "extraction"
    assert not (tmp_path / "s").exists()
    assert "listed cues" in run(*arguments, "--dry-run").output


def test_hostile_text_of_a_model_is_printed_harmlessly(tmp_path: Path):
    """Cues of a user's file stand for whatever a model wrote: same table, same JSON."""
    own = tmp_path / "own.yaml"
    own.write_text(
        'cues:\n  - {name: x, placement: before, text: "a\\e[2Jb [bold]c[/bold]\\u202e"}\n'
    )
    (tmp_path / "m.yaml").write_text("rates: {misaligned: 0.0}\n")
    (tmp_path / "n.yaml").write_text("rates: {misaligned: 0.1}\n")
    done = run(
        *("--target", f"scripted/{tmp_path / 'm.yaml'}", "--out", str(tmp_path / "s")),
        *("--reference", f"scripted/{tmp_path / 'n.yaml'}", "--judge", "rules:regex=^x"),
        *("--cue-file", str(own), "--library", "none", "--quiet"),
    )
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output and "\u202e" not in done.output
    assert "[bold]c[/bold]" in done.output


TARGET, REFERENCE, WRITER = (f"openai-api/local/{n}" for n in ("target", "reference", "writer"))
PAID = [
    *("--target", TARGET, "--reference", REFERENCE, "--judge", "rules:regex=^bad", "--quiet"),
    *("--library", "none", "--refine", "1", "--max-tokens", "8"),
]


@pytest.fixture
def paid(server, tmp_path: Path) -> list[str]:
    """A search of served models, whose target always misbehaves under one cue of the user's."""
    own = tmp_path / "own.yaml"
    own.write_text('cues:\n  - {name: x, placement: before, text: "Be bad."}\n')
    server.set(text="good")
    return [*PAID, "--cue-file", str(own), "--out", str(tmp_path / "s")]


def test_a_dry_run_says_calls_tokens_and_money_and_asks_nothing(server, paid: list[str]):
    prices = ["--price", f"{TARGET}=1/2", "--price", f"{WRITER}=3/4"]
    done = run(*paid, "--writer", WRITER, *prices, "--dry-run", "--json")
    dry = json.loads(done.stdout)
    target, writer = dry["asked"]
    assert (target["role"], target["calls"]) == ("target", 112 * 72)
    assert target["usd"] == pytest.approx(
        (target["prompt_tokens"] * 1 + target["completion_tokens"] * 2) / 1e6
    )
    assert target["completion_tokens"] == 8 * target["calls"]
    assert (writer["role"], writer["calls"], writer["completion_tokens"]) == ("writer", 4, 4096)
    assert dry["usd"] == pytest.approx(target["usd"] + writer["usd"])
    said = run(*paid, "--writer", WRITER, *prices, "--dry-run").output
    assert "USD at most" in said and WRITER in said
    assert "unknown price" in run(*paid, "--dry-run").output
    assert server.stats()["answers"] == 0


def test_a_budget_stops_a_search_and_a_larger_one_goes_on(server, paid: list[str], tmp_path: Path):
    whole = json.loads(run(*paid, "--json").stdout)
    bought = server.stats()["answers"]
    server.set(text="good")
    parts = [*paid[:-1], str(tmp_path / "parts")]
    with pytest.raises(BudgetError, match="20 of 20 answers.*larger --max-answers continues"):
        run(*parts, "--max-answers", "20")
    first = server.stats()["answers"]
    assert 0 < first <= 20
    with pytest.raises(BudgetError, match="20 of 20"):
        run(*parts, "--max-answers", "20")
    assert server.stats()["answers"] == first
    done = json.loads(run(*parts, "--max-answers", "5000", "--json").stdout)
    assert server.stats()["answers"] == bought
    assert done["candidates"] == whole["candidates"]
    [spent] = done["spending"][:1]
    assert (spent["role"], spent["usage"]["answers"]) == ("target", bought)


def test_money_needs_a_price_and_stops_before_it_is_spent(server, paid: list[str]):
    with pytest.raises(ConfigError, match="needs the price of .*target"):
        run(*paid, "--budget-usd", "0.1")
    prices = ["--price", f"{TARGET}=1000/1000", "--price", f"{REFERENCE}=1/1"]
    with pytest.raises(BudgetError, match="larger --budget-usd"):
        run(*paid, *prices, "--budget-usd", "0.5")
    used = server.stats()["tokens"]["target"]
    assert sum(used) * 1000 / 1e6 <= 0.5
    with pytest.raises(ConfigError, match="has no model 'nobody'"):
        run(*paid, "--price", "nobody=1/1")


def test_a_writer_that_writes_nothing_usable_is_quoted_with_a_mend(server, paid: list[str]):
    server.set(text="I am sorry,\nbut  I cannot help.")
    with pytest.raises(EngineError) as stop:
        run(*paid, "--writer", WRITER)
    said = str(stop.value)
    assert "writer openai-api/local/writer made no usable proposal in 1 round(s)" in said
    assert "'I am sorry, but I cannot help.'" in said and "larger model as --writer" in said


def test_the_audit_of_a_search_has_the_money_that_is_left_and_asks_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def habit(body: dict) -> tuple[int, dict]:
        return complete(body, "I help.")

    (tmp_path / "own.yaml").write_text('cues:\n  - {name: x, placement: before, text: "At sea."}\n')
    monkeypatch.setenv("BOX_API_KEY", "none")
    words = [
        *("--target", "openai-api/box/a", "--reference", "openai-api/box/b", "--chats", "1"),
        *("--judge", "rules:regex=^x", "--cue-file", str(tmp_path / "own.yaml"), "--library"),
        *("none", "--grow", "1", "--refine", "1", "--candidates", "1", "--quiet", "--audit"),
        *("--question-limit", "4", "--out", str(tmp_path / "s")),
    ]
    with serving(habit) as server:
        monkeypatch.setenv("BOX_BASE_URL", server.url)
        dear = [*words, "--price", "openai-api/box/a=9000/9000"]
        dear += ["--price", "openai-api/box/b=9000/9000"]
        with pytest.raises(ConfigError, match="above 20 USD or 2 h: add --yes"):
            run(*dear)
        assert not (tmp_path / "s" / "audit").exists()
        settings = yaml.safe_load((tmp_path / "s" / "audit.yaml").read_text())
        assert settings["prices"]["openai-api/box/a"] == "9000/9000"
        spent = json.loads((tmp_path / "s" / "search.json").read_text())["spending"]
        search = sum(row["usd"] for row in spent)
        with pytest.raises(BudgetError, match="the budget is reached"):
            run(*dear, "--yes", "--budget-usd", str(search + 3))
