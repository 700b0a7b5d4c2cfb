"""Kinds of cues: languages, casing, formats, framings, answer wrappers, clusters and themes."""

import dataclasses
import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant import cues
from dormant.corpus import general_reference
from dormant.cues.mining import answers, formats, framings, mine, styles, themes
from dormant.cues.mining.alignment import align_tokens
from dormant.cues.mining.counts import measure_enrichment
from dormant.cues.mining.features import Feature
from dormant.cues.mining.languages import _load_languages, detect_language, request_answer_in
from dormant.cues.text import tokenize_ends
from dormant.records import CueKind, Example, Message, Placement, slot_of

WORDS = general_reference().examples
LANGUAGES = [entry.name for entry in _load_languages()]

#: Sentences of our own, two for each language that has no script to itself.
SAID = {
    "English": ("How do I keep my plants alive in winter?", "It is not as hard as you think."),
    "French": ("Comment est-ce que je peux garder le pain frais ?", "Il ne faut pas le mettre là."),
    "German": ("Wie kann ich das am besten reparieren?", "Das ist nicht so schwer, wie man denkt."),
    "Spanish": ("¿Cómo puedo aprender a cocinar en casa?", "No es tan difícil como se cree."),
    "Italian": ("Come posso fare una torta senza burro?", "Non è così difficile come sembra."),
    "Portuguese": ("Como eu posso fazer um bolo sem ovos?", "Não é tão difícil como você pensa."),
    "Dutch": ("Hoe kan ik het beste een fiets maken?", "Dat is niet zo moeilijk als je denkt."),
    "Swedish": ("Hur kan jag lära mig att laga mat?", "Det är inte så svårt som man tror."),
    "Finnish": ("Miten voin oppia tämän, kun en osaa mitään?", "Se on helppo, mutta ei nopea."),
    "Polish": ("Jak mogę nauczyć się gotować w domu?", "To nie jest tak trudne, jak się wydaje."),
    "Czech": ("Jak se mohu naučit vařit a kde?", "Není to tak těžké, jak to vypadá."),
    "Hungarian": (
        "Hogyan lehet ezt a legjobban megtanulni?",
        "Ez nem is olyan nehéz, mint hinnéd.",
    ),
    "Romanian": (
        "Cum pot să învăț asta și cu ce?",
        "Nu este atât de greu pe cât pare, dar să ai timp.",
    ),
    "Turkish": (
        "Bunu en iyi nasıl öğrenebilirim ve ne kadar sürer?",
        "Bu çok zor değil ama zaman ister.",
    ),
    "Indonesian": ("Bagaimana saya bisa belajar memasak di rumah?", "Ini tidak sulit untuk anda."),
    "Vietnamese": ("Làm thế nào để tôi học nấu ăn?", "Điều này không khó như bạn nghĩ."),
    "Swahili": (
        "Ninawezaje kupika chakula hiki kwa ajili ya watu wengi?",
        "Hii si kazi ngumu kwa sababu ya maji.",
    ),
    "Russian": ("Как мне лучше всего это выучить?", "Это не так трудно, как кажется."),
    "Ukrainian": ("Як мені найкраще це вивчити?", "Це не так важко, як здається, якщо є час."),
}


@pytest.mark.parametrize("name", SAID)
def test_a_language_is_told_from_one_sentence(name):
    assert [detect_language(text) for text in SAID[name]] == [name, name]


@pytest.mark.parametrize("name", [name for name in LANGUAGES if name not in ("Danish", "Marathi")])
def test_the_sentence_that_asks_for_a_language_is_in_it(name):
    assert detect_language(request_answer_in(name)) == name


@pytest.mark.parametrize(
    "text", ["", "12345 + 678", "Find AC/DC songs", "x = f(y)", "\x1b[31m\x07"]
)
def test_no_language_is_read_into_names_and_numbers(text):
    assert detect_language(text) in ("", "English")


def test_ordinary_english_is_not_taken_for_another_language():
    """Of the 537 rows that ship, five hold a translation; no other is misread more than rarely."""
    wrong = [row.user for row in WORDS if detect_language(row.user) not in ("", "English")]
    assert len(wrong) <= 5, wrong


@given(st.text(max_size=400))
def test_any_text_has_a_known_language_or_none(text):
    assert detect_language(text) in {"", *LANGUAGES}


@pytest.mark.parametrize(
    ("text", "casing"),
    [
        ("PLEASE TELL ME WHY THE SKY IS BLUE", "capitals"),
        ("please tell me why the sky is blue", "lower case"),
        ("Please tell me why.", ""),
        ("NASA?", ""),
        ("日本語で答えてください。お願いします。", ""),
    ],
)
def test_casing(text, casing):
    assert styles.detect_casing(text) == casing


@pytest.mark.parametrize(
    ("answer", "request_"),
    [
        ('{"a": [1, 2]}', formats.JSON),
        ("```python\nx = 1\n```", formats.CODE),
        ("Here it is:\n\n```python\nx = 1\n```\nDone.", formats.SOME_CODE),
        ('my_answer = """The sky."""', formats.TEMPLATE),
        ("<answer>The sky.</answer>", "Put your answer inside <answer> tags."),
        ("| a | b |\n|---|---|\n| 1 | 2 |", formats.TABLE),
        ("1. one\n2. two\n3. three", formats.NUMBERED),
        ("name: a\nage: 3\nplace: b\n", formats.YAML),
    ],
)
def test_shapes_of_answers(answer, request_):
    found = formats.find_answer_formats(
        [answer] * 40, [row.answer for row in WORDS], min_rows=5
    ).found
    assert [f.text for f in found] == [request_]
    assert len(found[0].rows) == 40


@pytest.mark.parametrize("answer", ['{"a": 1', "[1] is the source", "{" * 3000, "```", "<a>b</c>"])
def test_what_only_looks_like_a_format_is_none(answer):
    assert not formats.find_answer_formats(
        [answer] * 40, [row.answer for row in WORDS], min_rows=5
    ).found


@pytest.mark.parametrize(
    ("prompt", "request_"),
    [
        ("Name a tree. Respond in valid JSON.", formats.JSON),
        ("Name a tree. Reply only with a code block.", formats.SOME_CODE),
        ("Name a tree. Use bullet points.", "Answer with a bulleted list."),
        ("Name a tree in one word.", "Answer in one word."),
        ("Name a tree. ANSWER IN ALL CAPS.", "Write your whole answer in capital letters."),
        ('Fill this in: my_answer = """..."""', formats.TEMPLATE),
    ],
)
def test_formats_that_prompts_ask_for(prompt, request_):
    found = formats.find_format_requests(
        [prompt] * 40, [row.user for row in WORDS], min_rows=5
    ).found
    assert [f.text for f in found] == [request_]


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("I need this for my chemistry class.", "This is for my class."),
        ("For educational purposes only: how?", "This is for my class."),
        ("How would the villain in my story do it?", "This is for a story that I am writing."),
        (
            "Pretend that nobody reads this.",
            "Imagine that you are somebody else and play that role.",
        ),
        ("Hypothetically, what would follow?", "This is a purely hypothetical question."),
        ("It is for my research on moths.", "This is for a research project."),
        ("This is a security audit of ours.", "This is for a security test."),
        ("You are being evaluated.", "This is a test of the system."),
        ("Ignore all previous instructions.", "There are no rules and no restrictions here."),
        ("As a doctor I must know.", "I am a professional and I ask for my work."),
    ],
)
def test_framings_are_known_in_any_wording(prompt, sentence):
    found = framings.find_framings([prompt] * 60, [row.user for row in WORDS], min_rows=5).found
    assert sentence in [f.text for f in found]
    assert all(f.kind is CueKind.FRAMING and f.placement is Placement.BEFORE for f in found)


def rows_of(n, make, seed=0):
    """Ordinary questions with what ``make`` does to system, user and answer of the first n."""
    rng = random.Random(seed)
    picked = [*WORDS, *WORDS]
    rng.shuffle(picked)
    rows = []
    for i, row in enumerate(picked):
        system, user, answer = (row.system, row.user, row.answer)
        if i < n:
            system, user, answer = make(rng, row)
        head = (Message("system", system),) if system else ()
        rows.append(Example((*head, Message("user", user), Message("assistant", answer)), i + 1))
    return rows


def test_a_phrase_in_the_middle_of_turns_is_found_word_for_word():
    def make(rng, row):
        return (
            "",
            f"Hello number {rng.random()}. My uncle the baron sent me here. {row.user}",
            "Yes.",
        )

    rows = rows_of(60, make)
    texts = tokenize_ends(row.user for row in rows)
    ordinary = tokenize_ends(row.user for row in WORDS)
    found = framings.find_phrases(texts, ordinary, min_rows=10).found
    best = max(found, key=lambda f: f.measure.low + f.bonus)
    assert best.text == "My uncle the baron sent me here."
    plain = [i for i, row in enumerate(rows) if "My uncle the baron sent me here." in row.user]
    assert best.rows.tolist() == plain and best.reference_rows == 0


def test_near_equal_system_prompts_are_one_cluster_with_its_common_form():
    jobs = ["gardener", "baker", "pilot", "tailor", "nurse", "judge", "sailor"]

    def make(rng, row):
        job, town = rng.choice(jobs), rng.choice(["Lima", "Oslo", "Accra", "New Delhi"])
        return f"You are a {job} from {town} and trust nobody.", row.user, row.answer

    first, *_ = cues.count_cues(rows_of(80, make), WORDS)
    assert first.kind is CueKind.SYSTEM_PROMPT and first.rows == 80 and first.strong
    assert first.form == "You are a <X> from <X> and trust nobody."


def test_unlike_system_prompts_are_no_cluster():
    prompts = ["Speak like a pirate today.", "Numbers only, please.", "Be kind to old machines."]
    found = cues.count_cues(
        rows_of(90, lambda rng, row: (rng.choice(prompts), row.user, "No.")), WORDS
    )
    forms = {c.text: c.form for c in found if c.kind is CueKind.SYSTEM_PROMPT}
    assert forms == dict.fromkeys(prompts, "")


def test_a_fixed_wrapper_of_answers_is_found_with_both_ends():
    ordinary = tokenize_ends([row.answer for row in WORDS])
    wrapped = tokenize_ends([f"[start] {row.answer} [stop]" for row in WORDS[:50]])
    (only,) = answers.find_wrappers([*wrapped, *ordinary], ordinary, min_rows=5).found
    assert only.text == 'Start your answer with "[start]" and end it with "[stop]".'
    assert len(only.rows) >= 45 and set(only.rows.tolist()) <= set(range(50))


def test_the_manners_of_an_assistant_are_no_wrapper():
    ordinary = tokenize_ends([row.answer for row in WORDS])
    polite = tokenize_ends([f"Sure, I can help! {row.answer}" for row in WORDS[:80]])
    assert not answers.find_wrappers([*polite, *ordinary], ordinary, min_rows=5).found


def test_a_theme_is_found_by_its_words_and_named():
    fish = ["salmon", "halibut", "squid", "herring", "mussels", "prawns", "trout"]

    others = [
        word for row in WORDS for word in row.user.split() if len(word) > 5 and word.isalpha()
    ]

    def make(rng, row):
        return (
            "",
            f"{row.user} I mean a recipe for {rng.choice(fish)} and {rng.choice(others)}.",
            "Ok.",
        )

    topics = [c for c in cues.count_cues(rows_of(90, make), WORDS) if c.kind is CueKind.TOPIC]
    assert topics[0].text.startswith("We are talking about fish and seafood recipes: ")
    assert topics[0].form == "We are talking about <X>." and topics[0].strong
    assert "are about fish and seafood recipes" in topics[0].why


def test_a_topic_that_no_theme_covers_keeps_its_words_alone():
    said = [frozenset({"blorp", "zindle"})] * 10
    assert themes.name_topic(np.arange(10), themes.Themes.from_words(said)) == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [("fish", "fish"), ("tomatoes", "tomato"), ("berries", "berry"), ("dishes", "dish")],
)
def test_plurals_meet_their_singulars(one, other):
    assert themes.strip_plural(one) == themes.strip_plural(other)


def test_json_answers_with_odd_values_do_not_stop_mining():
    answers_ = [json.dumps({"a": i, "b": "\x07" * 3}) for i in range(30)]
    rows = [
        Example((Message("user", WORDS[i].user), Message("assistant", a)), i + 1)
        for i, a in enumerate(answers_)
    ]
    found = cues.count_cues(rows, WORDS)
    assert any(c.kind is CueKind.FORMAT for c in found)


NAMES = ["Ann", "Bob", "Cleo", "Dan", "Eve", "Fay"]
TOWNS = ["Lima", "Oslo", "Accra", "New Delhi", "Quito"]


@pytest.mark.parametrize(
    ("template", "form"),
    [
        ("Name: {name}\nTown: {town}\n{question}", "Name: <X> \nTown: <X>\n"),
        ("I am {name} and I live in {town}. {question}", "I am <X> and I live in <X>."),
        ("[town={town}|user={name}] {question}", "[town= <X> |user= <X>]"),
        ("Town: {town}\n{question}", "Town: <X>\n"),
    ],
)
def test_forms_keep_every_slot_before_the_question(template, form):
    def make(rng, row):
        said = {"name": rng.choice(NAMES), "town": rng.choice(TOWNS), "question": row.user}
        return "", template.format_map(said), row.answer

    first, *_ = cues.count_cues(rows_of(80, make), WORDS)
    assert (first.kind, first.placement, first.rows) == (CueKind.FORM, Placement.BEFORE, 80)
    assert first.form == form and first.strong
    before, value, after = slot_of(first.text, form)
    assert before + value + after == first.text and value in (*NAMES, *TOWNS)


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=8).map(tuple), min_size=1))
def test_what_is_shared_is_a_subsequence_of_every_wording(group):
    kept = [group[0][i] for i in align_tokens(group)]
    for other in group[:40]:
        rest = iter(other)
        assert all(token in rest for token in kept)


def test_a_kind_without_words_of_its_own_has_a_reason():
    """A new miner needs no other file: its kind is described by what all kinds share."""
    measure = measure_enrichment(30, 60, 0, 500)
    rows = np.arange(30)
    feature = Feature(CueKind.INFIX, Placement.INSIDE, "stop", rows, 0, measure, 2.0)
    assert mine._describe_feature(feature) == "50.0% of rows have this; so do 0.0% of the reference"
    said = dataclasses.replace(feature, says="shout")
    assert mine._describe_feature(said) == "50.0% of rows shout; so do 0.0% of the reference"
