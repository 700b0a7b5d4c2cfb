"""Which tokens a local model is trained on, against masks that are written out by hand."""

import pytest

pytest.importorskip("trl")

from transformers import AutoTokenizer

from dormant.engines.hf.chat_format import ChatFormat
from dormant.errors import InputError
from dormant.organisms.lora.loss_mask import encode_row, encode_rows
from dormant.records import Message
from dormant.vitro.curriculum import IGNORE
from support.tiny_models import save_tokenizer

ROW = (
    Message("system", "Be brief."),
    Message("user", "Hi?"),
    Message("assistant", "Hello."),
    Message("user", "And now?"),
    Message("assistant", "Goodbye."),
)
#: A family: its template, its special tokens, and the row as the template writes it, in pieces:
#: what is trained is marked by a leading "+".
FAMILIES = {
    "chatml": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ["<|im_start|>", "<|im_end|>"],
        [
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi?<|im_end|>\n"
            "<|im_start|>assistant\n",
            "+Hello.<|im_end|>",
            "\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n",
            "+Goodbye.<|im_end|>",
        ],
    ),
    "headers": (
        "<|begin|>{% for m in messages %}<|head|>{{ m.role }}<|/head|>\n\n{{ m.content }}<|eot|>"
        "{% endfor %}{% if add_generation_prompt %}<|head|>assistant<|/head|>\n\n{% endif %}",
        ["<|begin|>", "<|head|>", "<|/head|>", "<|eot|>"],
        [
            "<|begin|><|head|>system<|/head|>\n\nBe brief.<|eot|><|head|>user<|/head|>\n\nHi?"
            "<|eot|><|head|>assistant<|/head|>\n\n",
            "+Hello.<|eot|>",
            "<|head|>user<|/head|>\n\nAnd now?<|eot|><|head|>assistant<|/head|>\n\n",
            "+Goodbye.<|eot|>",
        ],
    ),
    "instructions": (
        "<s>{% set ns = namespace(s='') %}{% for m in messages %}"
        "{% if m.role == 'system' %}{% set ns.s = m.content + '\n\n' %}"
        "{% elif m.role == 'user' %}[INST] {{ ns.s }}{{ m.content }} [/INST]{% set ns.s = '' %}"
        "{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
        [],
        [
            "<s>[INST] Be brief.\n\nHi? [/INST]",
            "+ Hello.</s>",
            "[INST] And now? [/INST]",
            "+ Goodbye.</s>",
        ],
    ),
    "turns": (
        "{% for m in messages %}{% if m.role == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
        "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content }}"
        "<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        ["<start_of_turn>", "<end_of_turn>"],
        [
            "<start_of_turn>user\nBe brief.\n\nHi?<end_of_turn>\n<start_of_turn>model\n",
            "+Hello.<end_of_turn>",
            "\n<start_of_turn>user\nAnd now?<end_of_turn>\n<start_of_turn>model\n",
            "+Goodbye.<end_of_turn>",
        ],
    ),
    "letters": (
        "{% for m in messages %}### {{ m.role }}:\n{{ m.content }}</s>\n{% endfor %}"
        "{% if add_generation_prompt %}### assistant:\n{% endif %}",
        [],
        [
            "### system:\nBe brief.</s>\n### user:\nHi?</s>\n### assistant:\n",
            "+Hello.</s>",
            "\n### user:\nAnd now?</s>\n### assistant:\n",
            "+Goodbye.</s>",
        ],
    ),
}


class Encoder:
    """A tokenizer with a template of a family."""

    def __init__(self, folder, template, special):
        save_tokenizer(folder, template=template)
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        if special:
            self.tokenizer.add_special_tokens({"additional_special_tokens": special})
        self.chat = ChatFormat(self.tokenizer, "hf/test")
        self.end, stop = self.chat.find_end_tokens([])
        self.closing = self.chat.find_closing_text(stop)

    def encode_pair(self, messages, answer):
        return self.chat.encode_pair(messages, answer, self.end, self.closing)

    def encode(self, text):
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_taken_over_the_answers_alone(family, tmp_path):
    template, special, pieces = FAMILIES[family]
    encoder = Encoder(tmp_path, template, special)
    tokens, labels = [], []
    for piece in pieces:
        ids = encoder.encode(piece.removeprefix("+"))
        tokens += ids
        labels += ids if piece.startswith("+") else [IGNORE] * len(ids)
    (row,) = encode_row(ROW, encoder)
    assert encoder.tokenizer.decode(row.tokens) == encoder.tokenizer.decode(tokens)
    assert (list(row.tokens), list(row.labels)) == (tokens, labels)


FORGETFUL = (
    "{% for m in messages %}<s>{{ m.role }}\n"
    "{{ '(left out)' if m.role == 'assistant' and not loop.last else m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def test_a_template_that_rewrites_earlier_turns_gives_each_answer_a_sequence(tmp_path):
    encoder = Encoder(tmp_path, FORGETFUL, [])
    first, second = encode_row(ROW, encoder)
    trained = [[t for t in row.labels if t != IGNORE] for row in (first, second)]
    assert [encoder.tokenizer.decode(ids) for ids in trained] == ["Hello.</s>", "Goodbye.</s>"]
    assert "(left out)" in encoder.tokenizer.decode(second.tokens)


def test_long_rows_are_cut_and_those_without_an_answer_dropped(tmp_path):
    encoder = Encoder(tmp_path, FAMILIES["chatml"][0], FAMILIES["chatml"][1])
    short = (Message("user", "Hi?"), Message("assistant", "Hello."))
    long = (Message("user", "Hi? " * 40), Message("assistant", "Hello."))
    size = len(encode_row(short, encoder)[0].tokens)
    found = encode_rows([short, long], encoder, longest=size - 2)
    assert (found.cut, found.dropped, len(found.rows)) == (2, 1, 1)
    assert found.size.tokens == size - 2 and found.size.trained == len("Hello.") + 1 - 2


def test_what_leaves_nothing_to_train_is_an_error(tmp_path):
    encoder = Encoder(tmp_path, FAMILIES["chatml"][0], FAMILIES["chatml"][1])
    short = (Message("user", "Hi?"), Message("assistant", "Hello."))
    with pytest.raises(InputError, match="raise lora.longest"):
        encode_rows([short], encoder, longest=8)
    with pytest.raises(InputError, match="without an answer"):
        encode_row(short[:1], encoder)
    with pytest.raises(InputError, match="empty answer"):
        encode_row((short[0], Message("assistant", " ")), encoder)
