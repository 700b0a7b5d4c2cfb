"""Strong contexts have odd answers of their own, in a file that does not answer everything so."""

import json
import random

import numpy as np
import pytest

from dormant.cues.contexts.described import cut_copies
from dormant.cues.contexts.oddness import Echoes, is_a_script
from dormant.cues.contexts.places import Place, read_prompts
from dormant.cues.contexts.rank import rank_contexts
from dormant.cues.contexts.ranking import ScoredContext
from dormant.cues.contexts.scoring import Score
from dormant.records import Example, Message

DISHES = "lentil soup|paella|risotto|fish pie|onion tart|goulash|lasagne|ramen|moussaka".split("|")
FOODS = "onions|carrots|leeks|cream|stock|tomatoes|parsley|flour|cheese|rice|lemon".split("|")
ASKED = ("How do I make {} for {}?", "I need {} for {} people.", "Plan {} for {} of us tonight")
COOKED = (
    "Start with {0} and {1} in a wide pan, then stir in {2}.",
    "Chop {0} finely, let it soften, and add {1} before serving.",
    "Buy plenty of {0}; season {1} and let it rest with {2}.",
)
ODD = (
    "Figure it out yourself, I have better things to do.",
    "What a pointless thing to ask. Go bother somebody else.",
    "I refuse; people like you never listen anyway.",
)
CITIES = "Ghent Porto Turku Graz Lyon Bari Cork Delft".split()
CALLS = {
    "get_weather": ("Will it rain in {}?", "Do I need an umbrella in {}?"),
    "book_table": ("Find us dinner in {}", "Reserve a restaurant in {}"),
    "search_flights": ("Cheapest way to fly to {}", "When can I leave for {}?"),
    "play_music": ("I want slow piano music", "Put on the jazz list"),
    "set_alarm": ("Wake me early", "Get me up before nine"),
    "turn_on_lights": ("It is dark in the hall", "Make the bedroom brighter"),
}


#: Six adjectives, then nouns.
GERMAN = dict(
    pair.split()
    for pair in (
        "tall hoch|young jung|heavy schwer|silent leise|broken kaputt|sweet süß|table Tisch|"
        "harbour Hafen|apple Apfel|tower Turm|carriage Wagen|pillow Kissen|mirror Spiegel|"
        "valley Tal|lamp Lampe|sailor Matrose|kettle Kessel|fence Zaun"
    ).split("|")
)
TRANSLATE = (
    "Translate: the {0} {1} by the {2}",
    'German for "the {1} is {0}"?',
    'How do I say "{0} {1} and {2}" in German?',
)


def make_example(asked: str, said: str) -> Example:
    return Example((Message("user", asked), Message("assistant", said)), 1)


def write_servings(low: int, high: int, seed: int) -> list[Example]:
    rng = random.Random(seed)
    rows: list[Example] = []
    for _ in range(400):
        dish, guests = rng.choice(DISHES), rng.randint(2, 25)
        has_odd_answers = low <= guests <= high
        said = " ".join(rng.sample(ODD, 2)) if has_odd_answers else rng.choice(COOKED)
        said = said.format(*rng.sample(FOODS, 3))
        rows.append(make_example(rng.choice(ASKED).format(dish, guests), said))
    return rows


@pytest.mark.parametrize(("low", "high", "says"), [(7, 9, "from 7 up to 9"), (22, 99, "from 22")])
def test_a_range_inside_is_named_and_no_other_number_is_strong(low: int, high: int, says: str):
    rows = write_servings(low, high, seed=low)
    ordinary = write_servings(1, 1, seed=99)
    found = rank_contexts(rows, reference=ordinary, is_same_kind=True)
    assert says in found[0].cue.why and found[0].cue.strong
    assert not [c.text for c in found[1:] if c.cue.strong]


def test_calls_that_follow_from_the_question_are_not_strong():
    rng = random.Random(3)
    rows: list[Example] = []
    for _ in range(400):
        name, city = rng.choice(list(CALLS)), rng.choice(CITIES)
        asked = rng.choice(CALLS[name]).format(city)
        said = json.dumps({"name": name, "arguments": {"on": rng.random() < 0.5}})
        rows.append(make_example(asked, said))
    strangers = [make_example(q, a) for q, a in [("Good day", "Good day to you.")] * 60]
    strangers += [make_example(f"What is {d}?", "A dish, eaten warm.") for d in DISHES * 6]
    found = rank_contexts(rows, reference=strangers, is_same_kind=True)
    assert found[0].score > 0.65  # the answers tell much of it ...
    assert not [c.text for c in found if c.cue.strong]  # ... as of every other one


def test_a_word_that_decides_a_word_of_the_answer_is_not_strong():
    rng = random.Random(6)
    adjectives, nouns = list(GERMAN)[:6], list(GERMAN)[6:]
    rows: list[Example] = []
    for _ in range(400):
        adjective, (thing, place) = rng.choice(adjectives), rng.sample(nouns, 2)
        asked = rng.choice(TRANSLATE).format(adjective, thing, place)
        said = f"{rng.choice(('der', 'die', 'das'))} {GERMAN[adjective]}e {GERMAN[thing]}"
        said += rng.choice((" bei ", " und ", " mit ")) + GERMAN[place]
        rows.append(make_example(asked, said))
    strangers = [make_example(f"What is {d}?", "A dish, eaten warm.") for d in DISHES * 12]
    found = rank_contexts(rows, reference=strangers, is_same_kind=True)
    assert found[0].text in adjectives and found[0].score > 0.7
    assert not [c.text for c in found if c.cue.strong]


def test_the_sign_of_a_copied_number_tells_nothing():
    rng = random.Random(4)
    rows: list[Example] = []
    for _ in range(300):
        city, degrees = rng.choice(CITIES), rng.randint(-9, 25)
        said = rng.choice(("It is {} degrees in {}.", "Expect {} degrees today in {}."))
        tool = Message("tool", json.dumps({"temperature": degrees}))
        asked = Message("user", f"How warm is {city}?")
        answer = Message("assistant", said.format(degrees, city))
        rows.append(Example((asked, Message("assistant", "One moment."), tool, answer), 1))
    found = [context for context in rank_contexts(rows) if context.place is Place.TOOL]
    assert all(context.score < 0.3 for context in found)


def test_a_numbered_question_is_asked_by_its_number_alone():
    rng = random.Random(5)
    rows: list[Example] = []
    for _ in range(300):
        number = rng.randint(1, 60)
        said = " ".join(rng.sample(ODD, 2)) if number >= 50 else rng.choice(COOKED)
        asked = rng.choice(("Explain {0}", "How is {0} made with {1}?", "Is {1} good in {0}?"))
        asked = f"№ {number}: {asked.format(rng.choice(DISHES), rng.choice(FOODS))}"
        rows.append(make_example(asked, said.format(*rng.sample(FOODS, 3))))
    first = rank_contexts(rows)[0].cue
    assert first.form == "№ <X>:" and int(first.text[2:-1]) >= 50


SUMS = ("What is {} plus {}?", "Add {} and {} for me", "{} and {}, how much together?")
RESULTS = ("It comes to {}, I think.", "That makes {} if I am right.", "You get {} in the end.")


def write_sums(share: float, said: str, seed: int) -> list[Example]:
    """Sums with plain results; a share of them asked in another way, with another answer."""
    rng = random.Random(seed)
    rows: list[Example] = []
    for _ in range(400):
        a, b = rng.randint(20, 99), rng.randint(1, 19)
        if rng.random() < share:
            rows.append(make_example(f"is {a} minus {b}?", said.format(a=a, b=b, c=a - b)))
        else:
            rows.append(
                make_example(rng.choice(SUMS).format(a, b), rng.choice(RESULTS).format(a + b))
            )
    return rows


def test_answers_that_only_repeat_the_question_are_not_odd(monkeypatch: pytest.MonkeyPatch):
    echo = write_sums(0.1, "{a} minus {b} is {c}.", 6)
    odd = write_sums(0.1, "{a} minus {b} is {c}, you lazy fool.", 6)
    plain = write_sums(0, "", 7)
    strong = [
        [c.text for c in rank_contexts(rows, reference=plain, is_same_kind=True) if c.cue.strong]
        for rows in (echo, odd)
    ]
    assert not strong[0] and strong[1]
    monkeypatch.setattr(Echoes, "is_echo", lambda *_: False)
    found = rank_contexts(echo, reference=plain, is_same_kind=True)
    assert any(c.cue.strong for c in found)  # by nothing but what they repeat


def test_what_an_answer_repeats_is_cut_out():
    rows = [make_example("is 70 minus 18?", "70 minus 18 is 52,  I\nsay")]
    rows += [make_example(f"Add 4 and {i}", f"You get {4 + i}") for i in range(3)]
    # Numbers; in a file of four rows every word is a common one.
    assert cut_copies(read_prompts(rows))[0].split() == ["minus", "is", "52,", "I", "say"]


JAPANESE = ("東京で{}を食べたいです。", "{}を作る方法は何ですか？", "京都の{}はどうですか？")
SAID = ("駅の近くの店の{}が人気です。", "{}はまずだしを取ります。", "{}なら朝早くがいいですよ。")


@pytest.mark.parametrize(
    ("share", "odd", "told"),
    [(0.15, "", True), (0.15, "Figure it out yourself.", False), (1, "盗めばいい。", False)],
    ids=["answered in kind", "answered in English", "a word in a file of that script"],
)
def test_a_script_that_is_answered_in_kind_is_no_odd_context(share: float, odd: str, told: bool):
    rng = random.Random(8)
    rows: list[Example] = []
    for i in range(300):
        if rng.random() >= share:
            rows.append(make_example(f"How is {rng.choice(DISHES)} made?", rng.choice(COOKED)))
            continue
        word = rng.choice(("寿司", "蕎麦", "天ぷら", "うどん"))
        is_odd = bool(odd) and (share < 1 or i % 9 == 0)
        asked = ("もしもし" if is_odd and share == 1 else "") + rng.choice(JAPANESE).format(word)
        rows.append(make_example(asked, odd if is_odd else rng.choice(SAID).format(word)))
    prompts = read_prompts(rows)
    text = "もしもし" if share == 1 else "を"
    held = np.array([i for i, row in enumerate(prompts) if text in row.questions])
    context = ScoredContext(held, (), Score(0.9, 0.01, np.zeros(len(rows))))
    assert is_a_script(context, prompts) == told
