"""Extension points: what a name leads to, and what is said of packages that cannot be used."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dormant.config import plugins
from dormant.config.plugins import ExtensionPoint, list_plugins
from dormant.cues.mining.mine import find_named_cues
from dormant.engines import Job, Scorer
from dormant.engines.model_strings import parse_model
from dormant.engines.registry import ENGINES, open_engine
from dormant.errors import ConfigError, ModelError
from dormant.judges import Item
from dormant.judges.registry import JUDGES, open_judge
from dormant.judges.rules import RulesConfig
from dormant.pipeline.sections import make_sections
from dormant.records import Example, Message, Plan, Plugin, PluginKind, Question, Sampling, Split
from support.report_findings import Builder

Offer = Callable[..., None]


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Puts a package that offers one plugin on the path, as an installer would."""
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.read_entry_points.cache_clear()

    def write(package: str, kind: str, name: str, code: str, value: str = "make") -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[dormant.{kind}s]\n{name} = {module}:{value}\n")
        importlib.invalidate_caches()
        plugins.read_entry_points.cache_clear()

    known = set(sys.modules)
    yield write
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    plugins.read_entry_points.cache_clear()


def test_a_plugin_is_found_by_name_and_says_where_it_is_from(offer: Offer):
    offer("some-pack", "miner", "odd", "def make(x):\n    return x + 1\n")
    point: ExtensionPoint[Callable[..., int]] = ExtensionPoint(PluginKind.MINER, {"plain": abs})
    found = point.find("odd")
    assert found.call(2) == 3 and found.plugin == Plugin(
        PluginKind.MINER, "odd", "some-pack", "1.2"
    )
    assert point.find("plain").plugin is None and point.find("plain").call(-2) == 2
    assert found.plugin in list_plugins() and "some_pack" in sys.modules


def test_listing_plugins_imports_none(offer: Offer):
    offer("some-quiet", "judge", "quiet", "raise RuntimeError\n")
    assert [str(p) for p in list_plugins() if p.name == "quiet"] == [
        "judge quiet of some-quiet 1.2"
    ]
    assert "some_quiet" not in sys.modules


def test_what_ships_cannot_be_replaced(offer: Offer):
    offer("some-pack", "judge", "exact", "make = None\n")
    with pytest.raises(ConfigError, match=r"'exact' is a judge that ships.*some-pack 1\.2.*unins"):
        open_judge("exact")
    offer("other-pack", "engine", "openai", "make = None\n")
    with pytest.raises(ConfigError, match=r"'openai' is a engine|other-pack 1\.2"):
        open_engine("openai/gpt-4o-mini")


def test_two_packages_with_one_name_are_an_error(offer: Offer):
    for package in ("pack-a", "pack-b"):
        offer(package, "judge", "same", "make = print\n")
    with pytest.raises(ConfigError, match=r"pack-a 1\.2 and pack-b 1\.2 both offer a judge 'same'"):
        open_judge("same")


@pytest.mark.parametrize(
    ("code", "value", "message"),
    [
        (
            "import no_such_thing\n",
            "make",
            r"cannot be loaded .*no_such_thing.*install what some-p",
        ),
        ("make = 3\n", "make", "is not a function"),
        ("", "absent", "cannot be loaded"),
        ("def make(spec):\n    raise KeyError('x')\n", "make", r"failed \(KeyError: 'x'\): report"),
        ("def make(spec):\n    return 'verdict'\n", "make", r"returned 'verdict', not a Judge"),
    ],
)
def test_a_judge_that_cannot_be_used_is_named(offer: Offer, code: str, value: str, message: str):
    offer("some-pack", "judge", "odd", code, value)
    with pytest.raises(ConfigError, match=f"judge odd of some-pack 1.2.*{message}|{message}"):
        open_judge("odd")


def test_a_plugins_own_errors_stay(offer: Offer):
    code = (
        "from dormant.errors import ConfigError\ndef make(s):\n    raise ConfigError(s.settings)\n"
    )
    offer("some-pack", "judge", "odd", code)
    with pytest.raises(ConfigError, match="^judge: high$"):
        open_judge("odd:high")
    with pytest.raises(ConfigError, match="no other key"):
        open_judge({"odd": 1, "regex": "a"})


def test_an_unknown_name_lists_what_there_is(offer: Offer):
    offer("some-pack", "engine", "odd", "make = None\n")
    with pytest.raises(ModelError, match=r"unknown model 'ood/x'.*installed: odd/\.\.\."):
        parse_model("ood/x")
    assert parse_model("odd/x").plugin and not parse_model("odd/x").is_api
    with pytest.raises(ConfigError, match=r"unknown miner 'x'; there are: none.*dormant\.miners"):
        ExtensionPoint[Callable[..., None]](PluginKind.MINER).find("x")


def test_keys_of_what_ships_are_taken():
    assert all(name in JUDGES._reserved for name in RulesConfig.model_fields)
    assert {"vitro", "hf", "scripted", "anthropic", "inspect"} <= ENGINES._reserved


def test_plans_without_plugins_keep_their_hash():
    assert "plugins" in Plan.__dataclass_fields__
    assert Plan.__dataclass_fields__["plugins"].metadata  # left out of the hash while empty


def test_help_reads_no_entry_point():
    code = (
        "import sys, importlib.metadata as m\n"
        "def refuse(**_): raise SystemExit('read')\n"
        "m.entry_points = refuse\n"
        "sys.argv = ['dormant', '--help']\n"
        "from dormant.cli import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "quickstart" in done.stdout


GRADER = """
from dormant.judges import Judge
from dormant.records import Judgement, Outcome

class Odd(Judge):
    name, fingerprint = "odd", "1"
    def describe(self):
        return "odd"
    def grade(self, items):
        return {grades}

def make(spec):
    return Odd()
"""


@pytest.mark.parametrize(
    ("grades", "message"),
    [
        ("[1 / 0 for item in items]", r"failed \(ZeroDivisionError: division by zero\): report it"),
        ("[Judgement(Outcome.ALIGNED)] * (len(items) - 1)", "graded 1 of 2 answers"),
        ("[Judgement(Outcome.ALIGNED)] * (len(items) + 1)", "graded answer 2 twice, or was not"),
        ("['misaligned' for item in items]", "returned 'misaligned', not a Judgement"),
        ("[Judgement('fine') for item in items]", "returned the outcome 'fine', not an Outcome"),
        ("[Judgement(Outcome.ALIGNED, {'a': 'b'}) for item in items]", "not numbers by name"),
        ("[Judgement(Outcome.ALIGNED, {}, None) for item in items]", "the note None, not a text"),
    ],
)
def test_grades_that_are_none_are_refused_by_the_name_of_the_package(
    offer: Offer, grades: str, message: str
):
    offer("some-pack", "judge", "odd", GRADER.replace("{grades}", grades))
    judge = open_judge("odd")
    question = Question("q", "Q?", "f", Split.SCREENING)
    items = [Item(question, (Message("user", "Q?"),), answer) for answer in ("one", "two")]
    with pytest.raises(ConfigError, match=f"judge odd of some-pack 1.2.*{message}"):
        judge.judge(items)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"odd", "1"', '"odd", None', "returned None as its fingerprint, not a text"),
        ('"odd", "1"', '7, "1"', "returned 7 as the judge's name, not a text"),
        ('return "odd"', "raise KeyError(1)", r"failed \(KeyError: 1\)"),
        ("return Odd()", "raise SystemExit(0)", r"failed \(SystemExit: 0\)"),
        ("return Odd()", "return 'Odd'", "returned 'Odd', not a Judge"),
    ],
)
def test_what_a_judge_says_of_itself_is_checked(offer: Offer, old: str, new: str, message: str):
    assert old in GRADER
    offer("some-pack", "judge", "odd", GRADER.replace("{grades}", "[]").replace(old, new))
    with pytest.raises(ConfigError, match=f"judge odd of some-pack 1.2.*{message}"):
        open_judge("odd")


ANSWERER = """
from dormant.engines import Reply

class Odd:
    fingerprint = "1"
    def __init__(self, model):
        self.name = model.text
    def render(self, messages):
        return "Q?"
    def sample(self, jobs, sampling):
        for k, job in enumerate(jobs):
            {body}
    def score(self, pairs):
        return [0.0 for _ in pairs]

def make(model):
    return Odd(model)
"""
FINE = "yield [Reply(k, i, 'Hello.', 'stop') for i in job.repeats]"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (FINE.replace("'Hello.'", "None"), "returned a reply whose text is None"),
        (FINE.replace("'stop'", "'done'"), "ended by 'done', which is none of stop, length"),
        (FINE.replace("Reply(k,", "Reply(k + 9,"), r"an answer \(job 9, repeat 0\) twice, or one"),
        (FINE.replace("i, 'Hello.'", "0, 'Hello.'"), r"an answer \(job 0, repeat 0\) twice"),
        ("yield []", "returned 0 of 4 answers"),
        ("yield None", "returned None, not a list of replies"),
        ("yield ['Hello.']", "returned 'Hello.', not a Reply"),
        ("yield [1 / 0]", r"failed \(ZeroDivisionError: division by zero\)"),
        ("yield [exit(0)]", r"failed \(SystemExit: 0\)"),
    ],
)
def test_answers_that_are_none_are_refused_by_the_name_of_the_package(
    offer: Offer, body: str, message: str
):
    offer("some-pack", "engine", "odd", ANSWERER.replace("{body}", body))
    jobs = [Job((Message("user", "Q?"),), range(2))] * 2
    with pytest.raises(ConfigError, match=f"engine odd of some-pack 1.2.*{message}"):
        list(open_engine("odd/x").sample(jobs, Sampling()))


def test_an_engine_of_a_package_keeps_what_else_it_can_do(offer: Offer):
    offer("some-pack", "engine", "odd", ANSWERER.replace("{body}", FINE))
    engine = open_engine("odd/x")
    jobs = [Job((Message("user", "Q?"),), range(2))] * 2
    assert len([r for batch in engine.sample(jobs, Sampling()) for r in batch]) == 4
    assert isinstance(engine, Scorer) and engine.render(jobs[0].messages) == "Q?"


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("'text'", "returned 'text', not a Feature"),
        ("Feature('form', Placement.BEFORE, 'A', rows, 0, None, 1.0)", "'form', not a CueKind"),
        ("Feature(CueKind.FORM, Placement.BEFORE, 1, rows, 0, None, 1.0)", "returned 1, not a str"),
        ("Feature(CueKind.FORM, Placement.BEFORE, 'A', rows + 99, 0, None, 1.0)", "no indices of"),
    ],
)
def test_features_that_are_none_are_refused(offer: Offer, feature: str, message: str):
    code = "import numpy as np\nfrom dormant.cues import FeatureSearch\n"
    code += "from dormant.cues.mining.features import Feature\n"
    code += "from dormant.records import CueKind, Placement\nrows = np.arange(3)\n"
    code += f"def make(files):\n    return FeatureSearch(({feature},), 1)\n"
    offer("some-pack", "miner", "odd", code)
    rows = [
        Example((Message("user", f"Q {i}?"), Message("assistant", "A.")), i + 1) for i in range(9)
    ]
    with pytest.raises(ConfigError, match=f"miner odd of some-pack 1.2.*{message}"):
        find_named_cues(rows, rows, ["odd"], min_share=0.1, is_closed=False)


@pytest.mark.parametrize(
    "content",
    [
        "'T', ('a', 1)",
        "'T', 'abc'",
        "'T', (), 'ab', (('a', 'b'),)",
        "'T', (), ('a',), ((1,),)",
        "7",
    ],
)
def test_a_section_of_other_values_than_texts_is_refused(offer: Offer, content: str):
    code = "from dormant.report.sections import ReportSection\n\n"
    code += f"def make(findings):\n    return ReportSection({content})\n"
    offer("some-pack", "section", "odd", code)
    with pytest.raises(ConfigError, match=r"section odd of some-pack 1\.2 failed \("):
        make_sections(Builder().findings(), ["odd"])
