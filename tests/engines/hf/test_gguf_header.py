"""GGUF files whose headers state what they cannot hold, refused before anything is read."""

import struct
from pathlib import Path

import pytest

pytest.importorskip("transformers")
pytest.importorskip("gguf")

from dormant.engines.hf.gguf_header import check_gguf  # noqa: E402
from dormant.engines.hf.loader import open_model  # noqa: E402
from dormant.engines.model_strings import parse_model  # noqa: E402
from dormant.errors import ModelError  # noqa: E402


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def setting(key: str, kind: int, packed: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + packed


def number(key: str, value: int) -> bytes:
    return setting(key, 10, struct.pack("<Q", value))


def tensor(name: str, *shape: int, kind: int = 0, offset: int = 0) -> bytes:
    sizes = struct.pack(f"<{len(shape)}Q", *shape)
    return text(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


def header(*entries: bytes, tensors: int = 0, version: int = 3) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", version, tensors, len(entries)) + b"".join(entries)


ARRAY = struct.pack("<IQ", 9, 1)
FALSE = {
    "is not a GGUF file": b"JUNK" + bytes(40),
    "has version 9": header(version=9),
    "is cut off within its header": header()[:20],
    "settings, more than the file can hold": struct.pack("<4sIQQ", b"GGUF", 3, 0, 1 << 60),
    "tensors, more than the file can hold": struct.pack("<4sIQQ", b"GGUF", 3, 1 << 40, 0),
    "bytes for the name of a setting": header(struct.pack("<Q", 1 << 62) + bytes(40)),
    "bytes for the text of a": header(setting("a", 8, struct.pack("<Q", 1 << 40))),
    "bytes for the values of a": header(setting("a", 9, struct.pack("<IQ", 4, 1 << 62))),
    "values of a, more than": header(setting("a", 9, struct.pack("<IQ", 8, 1 << 50))),
    "nested too deeply": header(setting("a", 9, ARRAY * 9 + bytes(64))),
    "of the unknown type 77": header(setting("a", 77, bytes(8))),
    "llama.block_count is 1e+12": header(number("llama.block_count", 10**12)),
    "llama.embedding_length is": header(number("llama.embedding_length", 10**9)),
    "llama.expert_count is": header(number("llama.expert_count", 10**6)),
    "has 9,999 dimensions": header(tensors=1)
    + text("t")
    + struct.pack("<IIIQ", 9999, 0, 0, 0)
    + bytes(8),
    "tensor 't' ends after the end": header(tensors=1) + tensor("t", 1 << 40, 1 << 20),
    "tensor 'u' ends after the end": header(tensors=1) + tensor("u", 4, 4, offset=1 << 63),
    "tensor 't' is of the unknown type 999": header(tensors=1) + tensor("t", 4, kind=999),
}


@pytest.mark.parametrize("reason", FALSE)
def test_a_false_header_is_refused_in_one_line(tmp_path: Path, reason: str):
    path = tmp_path / "model.gguf"
    path.write_bytes(FALSE[reason])
    with pytest.raises(ModelError) as caught:
        open_model(parse_model(f"hf/{path}"))
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_whole_file_passes_and_a_cut_one_does_not(tmp_path: Path):
    from gguf import GGUFWriter

    path = tmp_path / "model.gguf"
    writer = GGUFWriter(path, "llama")
    import numpy as np

    writer.add_block_count(2)
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_tensor("token_embd.weight", np.zeros((8, 32), dtype=np.float32))
    writer.add_tensor("output.weight", np.zeros((8, 32), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    check_gguf(path, "hf/model.gguf")
    whole = path.read_bytes()
    path.write_bytes(whole[:-64])
    with pytest.raises(ModelError, match="'output.weight' ends after the end of the file"):
        check_gguf(path, "hf/model.gguf")
