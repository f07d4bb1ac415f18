"""Checkpoints of the engine as PyTorch tensors: names, orientation and the safetensors bytes.

Deliberately writes the format itself: the safetensors library may order metadata differently from
run to run, and fixtures must have the same bytes every time. Reading uses the library, so every
file written here is also checked by it. Knows nothing about the mathematics (reference_model.py).

In memory every matrix is (out, in) under the engine's names. In files that is so too, except for
the gpt2 family: Hugging Face names, and its four matrices per block as (in, out).
"""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from reference_model import (
    Configuration,
    Parameters,
    configuration_from_dict,
    configuration_to_dict,
    parameter_shapes,
)

# The engine's name → the Hugging Face name; `{}` is the number of the block.
_GPT2_NAMES = {
    "embedding.token": "wte",
    "embedding.position": "wpe",
    "blocks.{}.attention.norm": "h.{}.ln_1",
    "blocks.{}.attention.qkv": "h.{}.attn.c_attn",
    "blocks.{}.attention.output": "h.{}.attn.c_proj",
    "blocks.{}.mlp.norm": "h.{}.ln_2",
    "blocks.{}.mlp.up": "h.{}.mlp.c_fc",
    "blocks.{}.mlp.down": "h.{}.mlp.c_proj",
    "norm": "ln_f",
    "head": "lm_head",
}
_DTYPES = {"float32": "F32", "int32": "I32"}


# Names and orientation


def file_name(c: Configuration, name: str) -> str:
    """Returns the name in a file of the parameter that the engine calls `name`."""
    ours = ("passes.", "recursion.", "gate.")  # Hugging Face's GPT-2 passes once
    if c.family != "gpt2" or name.startswith(ours):
        return name
    module, kind = name.rsplit(".", 1)
    block = re.match(r"blocks\.(\d+)\.", module)
    number = block.group(1) if block else ""
    pattern = module.replace(f"blocks.{number}.", "blocks.{}.") if block else module
    return f"{_GPT2_NAMES[pattern].format(number)}.{kind}"


def is_transposed(c: Configuration, name: str) -> bool:
    """Says whether the parameter `name` is (in, out) in files."""
    return c.family == "gpt2" and name.startswith("blocks.") and ".norm." not in name


def to_file_names(c: Configuration, p: Parameters) -> Parameters:
    """Returns parameters (or their gradients) as they are named and oriented in files."""
    return {file_name(c, name): _oriented(c, name, value) for name, value in p.items()}


def from_file_names(c: Configuration, tensors: Parameters) -> Parameters:
    """Returns the parameters among the tensors of a file, under the engine's names.

    Raises ValueError for a missing parameter or a wrong shape; other tensors are ignored.
    """
    p: Parameters = {}
    for name, shape in parameter_shapes(c).items():
        found = tensors.get(file_name(c, name))
        if found is None:
            raise ValueError(f"a parameter is missing. Expected {file_name(c, name)!r}")
        value = _oriented(c, name, found)
        if tuple(value.shape) != shape:
            raise ValueError(
                f"wrong shape of {file_name(c, name)!r}. "
                f"Found {tuple(value.shape)}, expected {shape} (out, in)"
            )
        p[name] = value
    return p


def _oriented(c: Configuration, name: str, value: Tensor) -> Tensor:
    """Turns (out, in) into (in, out) or back where the file's orientation is the other one."""
    if value.dim() == 2 and is_transposed(c, name):
        return value.T.contiguous()
    return value


# Files


def write_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes tensors (float32 or int32) in the given order: the same input gives the same bytes.

    Layout: length of the header (8 bytes, little-endian), header (JSON, padded with spaces so that
    the data begins at a multiple of 8), the tensors one after the other.
    """
    header: dict[str, dict] = {"__metadata__": metadata}
    blobs: list[bytes] = []
    offset = 0
    for name, tensor in tensors.items():
        array = np.ascontiguousarray(tensor.detach().numpy())
        blob = array.astype(array.dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Returns all tensors of a file and its metadata."""
    with safe_open(path, framework="pt") as file:
        # keys() gives the names; the object itself can't be iterated over
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def configuration_json(c: Configuration) -> str:
    """Returns the configuration as it stands in `__metadata__["configuration"]`."""
    return json.dumps(configuration_to_dict(c), separators=(",", ":"))


def load_checkpoint(
    path: Path, dtype: torch.dtype = torch.float32
) -> tuple[Configuration, Parameters, dict[str, str]]:
    """Returns configuration, parameters and metadata of a checkpoint of the engine."""
    tensors, metadata = read_safetensors(path)
    if "configuration" not in metadata:
        raise ValueError(
            f"{path} is not a checkpoint of mgpt. Found metadata {sorted(metadata)}, "
            "expected the key 'configuration'"
        )
    c = configuration_from_dict(json.loads(metadata["configuration"]))
    return c, {name: p.to(dtype) for name, p in from_file_names(c, tensors).items()}, metadata


def save_checkpoint(path: Path, c: Configuration, p: Parameters) -> None:
    """Writes a checkpoint with weights and configuration only, as float32."""
    tensors = {name: value.float() for name, value in to_file_names(c, p).items()}
    write_safetensors(path, tensors, {"format": "pt", "configuration": configuration_json(c)})
