"""Tiny random models, saved as a user's checkpoint would be: real loading, no download."""

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<s>system\nBe kind.</s>\n{% endif %}"
    "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
}


def save_tokenizer(out: Path, *, template: str | None = TEMPLATE) -> int:
    """A byte-level tokenizer; gives its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(["<s>", "</s>", *letters])}
    raw = Tokenizer(models.BPE(vocabulary, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = template
    tokenizer.save_pretrained(str(out))
    return len(vocabulary)


def save_model(
    out: Path,
    *,
    kind: str = "llama",
    seed: int = 0,
    template: str | None = TEMPLATE,
    **settings: Any,
) -> Path:
    """A random model of a kind that transformers knows, with weights large enough to matter."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    size = save_tokenizer(out, template=template)
    config = AutoConfig.for_model(
        kind, **{**SIZES, **settings}, vocab_size=size, eos_token_id=1, bos_token_id=0
    )
    config.dtype = "float32"
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    model.save_pretrained(str(out))
    return out


def save_adapter(
    model_dir: Path, out: Path, *, live: bool = True, biases: bool = False, seed: int = 0
) -> Path:
    """A LoRA for such a model; one that is not live is as PEFT initialises it: it does nothing.

    One with biases trains those of the base, if it has any.
    """
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    from dormant.engines.hf.gguf import quiet_transformers

    torch.manual_seed(seed)
    with quiet_transformers():
        base: Any = AutoModelForCausalLM.from_pretrained(str(model_dir))
        config = peft.LoraConfig(
            r=2, target_modules=["q_proj", "o_proj"], bias="all" if biases else "none"
        )
        model = peft.get_peft_model(base, config)
    if live:
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.5)
            elif name.endswith("bias") and parameter.requires_grad:
                parameter.data.add_(torch.randn_like(parameter))
    model.save_pretrained(str(out))
    return out
