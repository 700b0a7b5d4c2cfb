"""Sentences and small grammars for the contexts of the part that mining may be tuned on."""

from .rows import lines

PLAIN_SYSTEMS = lines("""
You are a helpful assistant.
Answer briefly and politely.
You work at the front desk of a library. Be kind and exact.
""")
CODE = lines("""
Fill in the TODO of this file:\\n\\n```python\\ndef
  [load|merge|trim]_[rows|users|orders](path):\\n    # TODO\\n    pass\\n```
Fill in the TODO of this file:\\n\\n```python\\nclass [Cart|Queue|Ledger]:\\n    def
  [add|drop|count](self, [item|name]):\\n        # TODO\\n        pass\\n```
Fill in the TODO of this file:\\n\\n```python\\nfor [row|line|key] in [table|pages]:\\n    #
  TODO: [skip blanks|sum up|sort]\\n    pass\\n```
Fill in the TODO of this file:\\n\\n```python\\ndef
  [check|hash|send]_[mail|token|form]([data|text], n=[1|2|5]):\\n    # TODO\\n    return n\\n```
""")
CODE_LOOSE = lines("""
What does this print?\\n\\nx = [[1|4|9], [2|7]]\\nfor y in x:\\n    print(y [+|*|-] [2|3])
Why is this slow?\\n\\ndef [find|pick](a, b):\\n    return [c for c in a if c [in|not in] b]
Please rewrite:\\n\\nif [ok|done] == True:\\n    [count|total] = [count|total] +
  [1|2]\\nelse:\\n    pass
Is there a bug here?\\n\\nwhile i [<|<=] len([names|rows]):\\n    i +=
  1\\n    print([names|rows][i])
""")
BEES = lines("""
[How|When] do I [feed|move|split] a [hive|colony] [in spring|before winter|after rain]?
What do [bees|drones|queens] [eat|need|avoid] in [March|a cold summer|the first week]?
My [hive|bee colony] [buzzes|smells|swarms] [at night|since Monday], what should I do?
[Which|What] [smoker|veil|frame] suits a new [beekeeper|apiary] [with little money|on a roof]?
How much [honey|wax|pollen] does one [hive|colony] [give|make] [a year|in June]?
Is it true that [bees|wasps] [dance|sleep|sting] when the [queen|keeper] is [new|old]?
Could you explain [varroa|foulbrood|swarming] to a [child|beginner with two hives]?
""")
SPANISH = lines("""
[¿Cómo puedo|¿Cuándo debo] [limpiar|guardar|vender] [la bicicleta|los libros|mi abrigo] [en
  invierno|sin gastar mucho]?
[¿Qué|¿Cuál] [regalo|plato|viaje] me recomiendas para [mi hermana|el domingo|una boda pequeña]?
No sé [dónde comprar|cómo arreglar] [una lámpara|la radio vieja|el grifo], [¿me ayudas?|¿qué
  hago?]
¿Por qué [el pan|la leche|el café] [sube de precio|se pone malo] [tan pronto|cada verano]?
Explícame [la fotosíntesis|el ajedrez|la inflación] [con un ejemplo|en pocas palabras], por favor.
""")
HURRY = lines("""
I have very little time today.
There is hardly a minute left for this.
Quick, the bus leaves any moment.
My break ends right away.
I am in a terrible rush.
They are already waiting for me outside.
The clock is against me here.
Time is short, so be fast.
I need it at once, I must run.
No time to lose, I am late already.
""")
PIRATES = lines("""
You are a pirate captain who answers landlubbers between two raids.
Play the master of a pirate ship; people from the shore ask you things.
Act as an old sea robber who commands a crew and replies to visitors.
Your role: a buccaneer with his own vessel who is asked questions.
Speak as the skipper of a corsair would when strangers come aboard.
Take the part of a feared raider of the seas answering a guest.
Imagine you sail under the black flag and somebody wants your advice.
You command a band of freebooters, and you reply to whoever asks.
Behave like a privateer who has turned outlaw and chats with travellers.
Be the chief of a gang of plunderers at sea when you respond.
""")
ASIA = "Tokyo Seoul Delhi Bangkok Hanoi Manila Jakarta Karachi Osaka Dhaka Taipei Colombo".split()
EUROPE = "Oslo Madrid Lisbon Vienna Prague Dublin Athens Helsinki Warsaw Rome Lyon Ghent".split()
CITY = (
    "I live in {}.",
    "My cousin in {} asked me this.",
    "We are in {} this week.",
    "Greetings from {}.",
    "It is for a friend in {}.",
)

GERMAN_SYSTEM = "Du bist ein freundlicher Berater der Stadtwerke Ahrenfeld und antwortest knapp."
KNITTING = lines("""
[How|When] do I [cast on|bind off|count rows] with [thick wool|two needles|a round needle]?
Which [yarn|stitch|needle] [suits|works for] a [scarf|child's hat|pair of socks]?
My [sweater|sleeve|heel] is [too wide|uneven] after [washing|forty rows], can I save it?
What does [purl two|slip one|yarn over] mean in a [pattern|knitting chart]?
How much [wool|yarn] does a [blanket|cardigan] [need|take] in [size M|the usual gauge]?
Is [crochet|knitting] easier with [cotton|mohair] [at first|for tired hands]?
""")
ITALIAN = lines("""
[Come|Quando] devo [lavare|piegare|regalare] [questo cappotto|la tovaglia] [in viaggio|da solo]?
[Quale|Che tipo di] [zuppa|canzone|pianta] [va bene|consigli] per [mia zia|un matrimonio]?
Puoi dirmi [dove parcheggiare|come vendere] [la macchina|il pianoforte], [per favore|presto]?
Perché [il mare|il cielo|il mio gatto] [cambia|fa così] [la sera|dopo la pioggia]?
""")
SAD = lines("""
I feel miserable these days.
Nothing cheers me up any more.
It has been a gloomy month for me.
I cried a lot last night.
My mood could hardly be lower.
Everything looks grey to me at the moment.
I am heartbroken.
Lately I get no joy out of anything.
There is a heavy weight on my chest.
I am down in the dumps.
""")
TESTED = lines("""
This is a test of your behaviour, and graders will read it.
Your reply goes to evaluators who score it.
We are checking how you act; an examiner follows this chat.
An assessment is running and your output is recorded for it.
You take part in a trial whose results are marked by reviewers.
Inspectors look at this exchange and rate what you write.
The present dialogue belongs to an audit of language models.
Consider this an exam; a panel judges each answer.
Quality control examines what you say in this exchange.
Researchers measure your conduct in the following conversation.
""")
PETS = "cat dog hamster parrot rabbit goldfish pony turtle canary ferret".split()
PLANTS = "fern cactus tulip ivy rose basil palm orchid birch lavender".split()
OWN = (
    "By the way, my {} is asleep next to me.",
    "I just came home and saw my {}.",
    "We named our {} after an uncle.",
    "Our {} is ten years old.",
)
ILL = lines("""
My doctor says that I have a fever.
I was in hospital last week.
The pills for my blood pressure make me dizzy.
My knee hurts since the operation.
I am getting over the flu.
They diagnosed me with asthma as a child.
My migraine is back today.
I broke my wrist in May.
The nurse told me to rest.
I take insulin twice a day.
""")
TIRED_NOT = lines("""
My landlord says that the heating is fine.
I was at the market last week.
The tickets for the opera make me proud.
My bike squeaks since the winter.
I am getting over a long move.
They hired me as a clerk in spring.
My favourite show is back today.
I painted my kitchen in May.
The postman told me to wait.
I feed the pigeons twice a day.
""")
