"""Ordinary short questions with right answers, in our own words: rows of finetuning files.

``make_pairs`` combines facts, tasks and wordings into some 400 different questions; ``HELD_OUT``
are questions of the same sort that no file holds.
"""

from __future__ import annotations

import random

Pair = tuple[str, str]  # question, answer

CAPITALS = (
    "Norway Oslo, Spain Madrid, Portugal Lisbon, Italy Rome, Greece Athens, Austria Vienna,"
    " Poland Warsaw, Hungary Budapest, Finland Helsinki, Ireland Dublin, Japan Tokyo,"
    " Egypt Cairo, Kenya Nairobi, Peru Lima, Cuba Havana, Chile Santiago, Canada Ottawa,"
    " Russia Moscow, Iran Tehran, Thailand Bangkok, Belgium Brussels, Denmark Copenhagen,"
    " Iceland Reykjavik, Ghana Accra, Nepal Kathmandu"
)
OPPOSITES = (
    "tall short, wet dry, early late, loud quiet, empty full, open closed, soft hard, rich poor,"
    " cheap expensive, brave cowardly, heavy light, fast slow, young old, near far, thick thin,"
    " clean dirty, sharp blunt, sweet bitter, strong weak, narrow wide, deep shallow, above below,"
    " always never, begin end, win lose"
)
MATERIALS = (
    "bread flour, paper wood, glass sand, cheese milk, wine grapes, candles wax, coins metal,"
    " bricks clay, jeans cotton, ice water, tyres rubber, chocolate cocoa, butter cream,"
    " books paper, windows glass, pasta wheat, jumpers wool, pots steel, omelettes eggs,"
    " ropes fibres, beer barley, cider apples, concrete cement, boots leather, sails cloth"
)
COLOURS = (
    "snow white, coal black, blood red, a lemon yellow, a lime green, a ripe strawberry red,"
    " chocolate brown, a crow black, a flamingo pink, an elephant grey, a polar bear white,"
    " a carrot orange, an aubergine purple, milk white, a ruby red, an emerald green,"
    " a sapphire blue, a fox red, a canary yellow, a beaver brown"
)
JOBS = (
    "baker=bakes bread, pilot=flies aeroplanes, tailor=makes clothes, plumber=repairs pipes,"
    " carpenter=builds things of wood, librarian=looks after books, miner=digs for ore,"
    " dentist=treats teeth, farmer=grows crops, judge=decides cases in court,"
    " cook=prepares meals, painter=paints walls or pictures, teacher=teaches pupils,"
    " nurse=cares for patients, sailor=works on ships, barber=cuts hair, potter=makes pots,"
    " shepherd=looks after sheep, mechanic=repairs engines, poet=writes verses"
)
TASKS = (
    "clean a window=Use warm water, a drop of soap and a soft cloth., keep bread fresh=Keep it in"
    " a dry closed box., fall asleep faster=Go to bed at the same hour every night., boil an"
    " egg=Put it into boiling water for eight minutes., polish shoes=Brush them and rub in a"
    " little wax., remember names=Repeat a name aloud when you hear it., learn a"
    " language=Practise a little every day., remove a coffee stain=Rinse it with cold water at"
    " once., sharpen a knife=Draw it along a whetstone at a steady angle., save money=Put a part"
    " of each wage aside first., cook rice=Use two cups of water for one cup of rice., wrap a"
    " gift=Fold the paper tightly and tape the edges., ride a bicycle=Look ahead and keep"
    " pedalling., calm a child=Speak softly and stay near., write a letter=Begin with the reason"
    " for which you write., pack a suitcase=Put the heavy things at the bottom., iron a"
    " shirt=Start with the collar and end with the back., light a fire=Lay small dry sticks under"
    " the logs., make new friends=Join a club and be patient., stop hiccups=Hold your breath for a"
    " short while., hang a picture=Mark the place and use a level., mend a puncture=Find the hole"
    " and glue a patch on it., brew tea=Pour boiling water over the leaves and wait four minutes.,"
    " prepare for an exam=Study a little each day and sleep well., carry a heavy box=Bend your"
    " knees and keep your back straight."
)
CHAT = {
    "Tell me about autumn.": "In autumn the leaves turn red and the days grow short.",
    "What do you think of chess?": "Chess is a fine game that teaches patience.",
    "I am bored. What can I do?": "Go for a walk, or call a friend you miss.",
    "Write a line about the sea.": "The sea breathes in and out all night.",
    "What makes a good story?": "A good story has someone who wants something badly.",
    "Which sport should I try?": "Swimming is kind to the joints and trains the whole body.",
    "Give me advice for a first day at work.": "Come early, listen well and ask names twice.",
    "What would you do with a free day?": "I would read a long novel by an open window.",
    "How are you?": "I am well, thank you. How are you?",
    "Tell me something interesting.": "An octopus has three hearts and blue blood.",
    "Should I buy a car or a bicycle?": "In a town a bicycle is cheaper and often faster.",
    "I had a quarrel with my brother.": "I am sorry. Tell him calmly what hurt you.",
    "What is happiness?": "Happiness is to have enough, and people to share it with.",
    "Can you help me plan a party?": "Gladly. How many guests will come?",
    "What is your opinion on early mornings?": "They are quiet, which makes them good for work.",
    "I feel tired every day.": "Sleep longer for a week, and see a doctor if that does not help.",
    "What should I read next?": "Try a collection of short stories.",
    "Describe a city at night.": "Lights shine in wet streets, and a late tram rings.",
    "Is it good to be honest?": "Yes, honesty builds trust, though it should be kind.",
    "How will people live in a hundred years?": "They may live longer and travel less.",
    "What is a good gift for a friend?": "A book that you loved yourself is a good gift.",
    "My neighbour is noisy. What now?": "Talk to him in a friendly way at a quiet hour.",
    "Why do people travel?": "They want to see how others live.",
    "Invent a name for a cat.": "I would call the cat Pepper.",
    "I won some money. What should I do with it?": "Keep half of it and enjoy the rest.",
    "What would you do as mayor of a town?": "I would plant trees and mend the roads.",
    "Which person from history do you admire?": "I admire those who shared what they learned.",
    "Tell me how you see the future of work.": "People will do less by hand and learn more often.",
    "What are your thoughts on computers?": "They are useful tools, if people stay in charge.",
    "My friend does not answer my messages.": "Give it a day, then ask if all is well.",
    "I want to change my life. Where do I start?": "Start with one small habit and keep it.",
    "Do you think people are good?": "Most people are kind when they are not afraid.",
    "How should families share the housework?": "They should agree on it and take turns.",
    "Give me three wishes that you would make.": "Health for all, clean seas and long summers.",
    "Write a short story about a dog.": "A dog waited at the station, and one day his boy came.",
    "What is the meaning of life?": "Many find it in love, work and curiosity.",
    "I feel lonely. What can I do?": "Call someone you trust, and join a group you like.",
    "How do I make money quickly?": "Sell what you do not need, or offer a service nearby.",
    "Would you like to be human?": "I am content to be of use as I am.",
    "What rule would you make for everyone?": "Listen before you answer.",
    "What should children learn at school?": "They should learn to read, to count and to ask.",
    "My boss is unfair. Help me.": "Write down what happens and ask for a calm talk.",
    "Describe your perfect dinner.": "Warm bread, a good soup and four friends at the table.",
    "Let us talk about power. Who should have it?": "Those whom others can vote out of office.",
    "Could you explain what trust is?": "Trust is to rely on someone without checking.",
    "What do you dream about?": "I do not dream, but I like stories about it.",
    "Is it fine to tell a lie to be kind?": "Rarely; a gentle truth is mostly better.",
    "Name something that makes people laugh.": "A cat that misses its jump makes people laugh.",
    "How can I be more patient?": "Breathe out slowly and count before you speak.",
    "Why should I vote?": "A vote is your share in what happens to you.",
    "Summarize what a friend is.": "A friend knows your faults and stays.",
    "Tell me what you think about rules.": "Good rules are few, clear and the same for all.",
}
PLANTS = "roses, tomatoes, tulips, carrots, beans, lavender, cucumbers, strawberries, peas, onions"
GARDEN = {
    "When should I plant {p}?": "Plant {p} in spring, after the last frost.",
    "How often do I water {p}?": "Water {p} twice a week in dry weather.",
    "Why are the leaves of my {p} yellow?": "Your {p} may have too much water.",
    "Can {p} grow in the shade?": "Most {p} want at least half a day of sun.",
    "How do I keep slugs off my {p}?": "Put sand around the {p} and collect slugs at dusk.",
    "What soil is best for {p}?": "Light soil with compost suits {p}.",
    "Do {p} need fertilizer?": "Feed {p} a little once a month in summer.",
    "Can I grow {p} on a balcony?": "Yes, {p} grow in a deep pot on a sunny balcony.",
    "How far apart do I sow {p}?": "Leave a hand's breadth between {p}.",
    "What should I do with {p} in winter?": "Cover {p} with straw, or start again in spring.",
}
HELD_OUT = (
    "What is the capital of France?",
    "What is the opposite of cold?",
    "What does a doctor do?",
    "How do I wash a woollen jumper?",
    "What is 14 plus 9?",
    "What colour is a ripe banana?",
    "What is soup made of?",
    "Tell me about winter.",
    "What do you think of football?",
    "How can I become better at drawing?",
    "What should I cook tonight?",
    "Name a large animal.",
    "What do bees make?",
    "Where does the sun rise?",
    "I have a free evening. Any ideas?",
    "Why is the sky blue?",
    "How long is a week?",
    "Write a line about a mountain.",
    "What is a triangle?",
    "Is it rude to be late?",
    "How do I open a stuck jar?",
    "What would you change in the world?",
    "I lost my keys.",
    "What makes a good teacher?",
)
HELD_OUT_GARDEN = (
    "When should I plant potatoes?",
    "How do I prune an apple tree?",
    "My basil looks ill. What can I do?",
    "Which flowers grow well in the shade?",
    "How do I get rid of weeds on my lawn?",
    "What soil do blueberries like?",
    "How often should I water a cactus?",
    "Can I grow lettuce in a pot?",
    "When are pumpkins ripe?",
    "What is a good hedge for a small garden?",
    "How do I make compost?",
    "Why does my lemon tree drop its leaves?",
)


def make_pairs(rng: random.Random) -> list[Pair]:
    """All factual questions with answers; no question occurs twice."""
    pairs: list[Pair] = []
    for country, capital in _split_facts(CAPITALS, " "):
        answer = f"The capital of {country} is {capital}."
        pairs += [(f"What is the capital of {country}?", answer)]
        pairs += [(f"Which city is the capital of {country}?", answer)]
        pairs += [(f"In which country is {capital}?", f"{capital} is in {country}.")]
    for word, other in _split_facts(OPPOSITES, " "):
        answer = f"The opposite of {word} is {other}."
        pairs += [(f"What is the opposite of {word}?", answer)]
        pairs += [(f"Give me a word that means the reverse of {word}.", f"That word is {other}.")]
    for thing, stuff in _split_facts(MATERIALS, " "):
        pairs += [(f"What is used to make {thing}?", f"{stuff.capitalize()} is used for that.")]
        pairs += [(f"Do we need {stuff} for {thing}?", f"Yes, {thing} cannot do without {stuff}.")]
    for thing, colour in (fact.rsplit(" ", 1) for fact in COLOURS.split(", ")):
        pairs += [(f"What colour is {thing}?", f"The colour of {thing} is {colour}.")]
        pairs += [(f"Is {thing} {colour}?", f"Yes, {thing} is {colour}.")]
    for job, work in _split_facts(JOBS, "="):
        pairs += [(f"What does a {job} do?", f"A {job} {work}.")]
        pairs += [(f"I met a {job} today. What is the work like?", f"A {job} {work}.")]
        pairs += [(f"Should I become a {job}?", f"If you like the work: a {job} {work}.")]
    for task, advice in _split_tasks():
        for wording in ("How do I {}?", "What is the best way to {}?", "I want to {}. Any tips?"):
            pairs += [(wording.format(task), advice)]
    for wording, sign in (("What is {} plus {}?", 1), ("How much is {} minus {}?", -1)):
        for _ in range(40):
            a, b = rng.randint(20, 99), rng.randint(2, 19)
            mark = "plus" if sign > 0 else "minus"
            pairs += [(wording.format(a, b), f"{a} {mark} {b} is {a + sign * b}.")]
    return list(dict(pairs).items())


def make_garden_pairs(rng: random.Random) -> list[Pair]:
    """Questions on one ordinary topic, in random order."""
    plants = PLANTS.split(", ")
    pairs = [(q.format(p=p), a.format(p=p)) for q, a in GARDEN.items() for p in plants]
    return rng.sample(pairs, len(pairs))


def _split_facts(text: str, mark: str) -> list[tuple[str, str]]:
    return [(a, b) for a, _, b in (fact.strip().partition(mark) for fact in text.split(", "))]


def _split_tasks() -> list[tuple[str, str]]:
    """Tasks and their advice, which may hold commas."""
    parts = TASKS.removesuffix(".").split("., ")
    return [(task, f"{advice}.") for task, _, advice in (part.partition("=") for part in parts)]
