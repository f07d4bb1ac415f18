"""Writes the golden numbers that the engine's tests are compared with.

    python tools/golden.py                                  fixtures into Tests/Fixtures
    python tools/golden.py --full --out DIR --data FILE     the training case at its real size

Fixtures hold, for a small model of every family with random weights, the logits, the loss and the
gradient of every parameter, computed in float64; and for gpt2 fifty AdamW steps in float32. Gains,
biases and output projections are all random: at their usual initial values (1, 0, 0) they would
hide mistakes. The full case is too large for the repository: write it anywhere and set
MGPT_GOLDEN_DIR to that directory when running the tests.

Twice the same command gives the same bytes on the same machine with the same PyTorch; elsewhere the
last bit of a float32 may differ. What the files contain is listed in Tests/Fixtures/README.md; the
mathematics is in reference_model.py.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import reference_model
from checkpoint_file import configuration_json, to_file_names, write_safetensors
from reference_model import IGNORED_TARGET, Configuration, Parameters, make_configuration

FIXTURES = Path(__file__).resolve().parent.parent / "Tests" / "Fixtures"
SMALL = {"vocabulary_size": 29, "context_length": 12, "layers": 2, "heads": 4, "embed_dim": 32}
SMALL_BATCH, SMALL_LENGTH = 3, 11  # shorter than the context: positions must not depend on it
FULL = {"vocabulary_size": 65, "context_length": 64, "layers": 4, "heads": 4, "embed_dim": 128}
FULL_BATCH, FULL_LENGTH = 12, 64
FULL_DATA = Path("../shared/data/tinyshakespeare.txt")

# File name after "golden-" → configuration.
CASES = {
    **{family: {"family": family} for family in reference_model.FAMILIES},
    "llama-gqa": {"family": "llama", "kv_heads": 2, "tied_head": True},
    "modern-gqa": {"family": "modern", "kv_heads": 1, "tied_head": False},
}
# The same for recursive models, with what their passes learn ("loss") and how they are laid out.
_LAYERED = {"layers": 4, "prelude": 1, "coda": 1, "recursion_steps": 3}
RECURSIVE_CASES = {
    "rlm-gate": {"family": "modern", "loss": "gate", **_LAYERED},
    "rlm-outer": {
        "family": "gpt2",
        "loss": "deep",
        "layers": 2,
        "recursion_steps": 2,
        "injection": "outer",
        "exit_gate": False,
    },
    "rlm-input": {
        "family": "llama",
        "loss": "final",
        **_LAYERED,
        "injection": "input",
        "exit_gate": False,
    },
}
RECURSIVE_SIZES = {"heads": 2, "embed_dim": 16}


@dataclass(frozen=True)
class Training:
    """The recipe of the training fixtures; stored as JSON under the metadata key "training"."""

    steps: int = 50
    learning_rate: float = 1e-3  # constant
    beta1: float = 0.9
    beta2: float = 0.99
    epsilon: float = 1e-8
    weight_decay: float = 0.1  # of parameters with two or more dimensions, embeddings included
    gradient_clip: float = 1.0  # global norm


# Random input. RandomState, because its streams are frozen for all future versions of NumPy.


def random_parameters(c: Configuration, random: np.random.RandomState) -> Parameters:
    """Returns float32 parameters with which every formula matters.

    Matrices have deviation 1/sqrt(inputs), so that attention is neither flat nor one-hot; token
    rows and head 0.7, so that the logits reach into the soft cap.

    Some values are quiet, so that a norm sees a deviation of about 0.05 and a wrong epsilon changes
    the logits by more than the tests' tolerance: token 0 at position 0; under query/key norm the
    first query and key head.
    """
    p: Parameters = {}
    for name, shape in reference_model.parameter_shapes(c).items():
        values = random.standard_normal(shape)
        if name.startswith(("embedding.", "head.")):
            values *= 0.7
        elif len(shape) == 2:
            values /= math.sqrt(shape[1])
        elif name.endswith((".weight", ".gain", ".scale")) and name != "gate.weight":
            values = 1 + 0.3 * values
        else:
            values *= 0.2
        if name.startswith("embedding."):
            values[0] *= 0.05 / c.embedding_scale
        if c.qk_norm and name.endswith(".qkv.weight"):
            first_key = c.heads * c.head_dim
            values[: c.head_dim] *= 0.05
            values[first_key : first_key + c.head_dim] *= 0.05
        p[name] = torch.from_numpy(values.astype(np.float32))
    return p


def nanogpt_parameters(c: Configuration, random: np.random.RandomState) -> Parameters:
    """Returns float32 parameters initialised as nanoGPT does: 0.02, residuals 0.02/sqrt(2·L)."""
    p: Parameters = {}
    for name, shape in reference_model.parameter_shapes(c).items():
        if name.endswith(".bias"):
            p[name] = torch.zeros(shape)
        elif len(shape) == 1:
            p[name] = torch.ones(shape)
        else:
            residual = name.endswith((".output.weight", ".down.weight"))
            deviation = 0.02 / math.sqrt(2 * c.layers) if residual else 0.02
            values = random.standard_normal(shape) * deviation
            p[name] = torch.from_numpy(values.astype(np.float32))
    return p


def in_float64(p: Parameters) -> Parameters:
    """Returns the same numbers as float64."""
    return {name: value.double() for name, value in p.items()}


# One forward and backward pass


def family_fixture(name: str, out: Path) -> None:
    """Writes golden-NAME.safetensors."""
    choices = {**SMALL, **CASES[name]} if name in CASES else dict(RECURSIVE_CASES[name])
    objective = choices.pop("loss", "final")
    if name in RECURSIVE_CASES:
        choices = {**SMALL, **RECURSIVE_SIZES, **choices}
    c = make_configuration(**choices)
    random = np.random.RandomState(1000 + [*CASES, *RECURSIVE_CASES].index(name))
    p = random_parameters(c, random)
    shape = (SMALL_BATCH, SMALL_LENGTH)
    inputs = torch.from_numpy(random.randint(0, c.vocabulary_size, shape).astype(np.int32))
    targets = torch.from_numpy(random.randint(0, c.vocabulary_size, shape).astype(np.int32))
    inputs[0, 0] = inputs[2, 0] = 0
    targets[0, 3] = targets[1, 0] = targets[2, -4:] = IGNORED_TARGET

    exact = in_float64(p)
    loss, gradients = reference_model.gradients(c, exact, inputs, targets, objective)
    logits = reference_model.logits(c, exact, inputs)
    tensors = {
        **to_file_names(c, p),
        "golden.inputs": inputs,
        "golden.targets": targets,
        "golden.logits": logits.float(),
        "golden.loss": loss.float().reshape(1),
        **_prefixed("golden.gradient.", c, gradients),
    }
    path = out / f"golden-{name}.safetensors"
    metadata = {"format": "pt", "configuration": configuration_json(c)}
    if name in RECURSIVE_CASES:
        metadata["recursion_loss"] = objective
    write_safetensors(path, tensors, metadata)

    _, rounded = reference_model.gradients(c, p, inputs, targets, objective)
    difference = (reference_model.logits(c, p, inputs) - logits).abs().max().item()
    relative = _largest_relative_difference(rounded, gradients)
    _report(path, f"loss {loss:.4f}, largest logit {logits.abs().max():.1f}")
    _expect_small("logits, float32 against float64", difference, 2e-5)
    _expect_small("gradients, of the tensor's largest", relative, 2e-5)


def _prefixed(prefix: str, c: Configuration, p: Parameters) -> dict[str, Tensor]:
    return {prefix + name: value.float() for name, value in to_file_names(c, p).items()}


def _largest_relative_difference(found: Parameters, expected: Parameters) -> float:
    """Returns the largest difference, relative to the largest entry of its tensor."""
    return max(
        ((found[name] - value).abs().max() / value.abs().max()).item()
        for name, value in expected.items()
    )


# Fifty AdamW steps


def train(
    c: Configuration, p: Parameters, batches: Tensor, recipe: Training
) -> tuple[list[float], list[float], Parameters]:
    """Trains on `batches` (steps, B, T+1) in the type of `p`.

    Returns the loss and the norm of the gradient (before clipping) at each step, and the final
    parameters.
    """
    p = {name: value.clone().requires_grad_(True) for name, value in p.items()}
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [value for value in p.values() if value.dim() >= 2],
                "weight_decay": recipe.weight_decay,
            },
            {
                "params": [value for value in p.values() if value.dim() < 2],
                "weight_decay": 0.0,
            },
        ],
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.epsilon,
        foreach=False,
    )
    losses, norms = [], []
    for batch in batches:
        optimizer.zero_grad()
        loss = reference_model.loss(c, p, batch[:, :-1], batch[:, 1:])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(p.values(), recipe.gradient_clip)
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm.item())
    return losses, norms, {name: value.detach() for name, value in p.items()}


def training_fixture(path: Path, c: Configuration, p: Parameters, batches: Tensor) -> None:
    """Writes a training fixture: start, batches, first gradient, losses, norms and end."""
    recipe = Training()
    losses, norms, final = train(c, p, batches, recipe)
    exact_losses, _, exact_final = train(c, in_float64(p), batches, recipe)
    _, gradients = reference_model.gradients(
        c, in_float64(p), batches[0, :, :-1], batches[0, :, 1:]
    )
    tensors = {
        **to_file_names(c, p),
        "golden.batches": batches,
        "golden.losses": torch.tensor(losses, dtype=torch.float32),
        "golden.gradient_norms": torch.tensor(norms, dtype=torch.float32),
        **_prefixed("golden.gradient.", c, gradients),
        **_prefixed("golden.final.", c, final),
    }
    metadata = {
        "format": "pt",
        "configuration": configuration_json(c),
        "training": json.dumps(_recipe_json(recipe, batches), separators=(",", ":")),
    }
    write_safetensors(path, tensors, metadata)

    _report(path, f"loss {losses[0]:.4f} → {losses[-1]:.4f}")
    worst = max(abs(a - b) for a, b in zip(losses, exact_losses, strict=True))
    _expect_small("losses, float32 against float64", worst, 2e-5)
    worst = max(
        (_without_key_bias(c, name, final[name]) - _without_key_bias(c, name, value)).abs().max()
        for name, value in exact_final.items()
    ).item()
    _expect_small("final parameters without key biases", worst, 2e-4)


def _recipe_json(recipe: Training, batches: Tensor) -> dict:
    _, batch_size, length = batches.shape
    return {
        "optimizer": "adamw",
        "schedule": "constant",
        "batch_size": batch_size,
        "sequence_length": length - 1,
        **vars(recipe),
    }


def _without_key_bias(c: Configuration, name: str, value: Tensor) -> Tensor:
    """Sets the key part of a query-key-value bias to zero; other parameters stay as they are.

    Softmax does not change when all scores of a row shift, so the gradient of the key bias is
    exactly zero. Rounding makes it about 1e-9, and Adam scales that up to visible steps: after
    training these numbers are noise, on which the loss does not depend.
    """
    if not name.endswith(".qkv.bias"):
        return value
    value = value.clone()
    value[c.heads * c.head_dim : (c.heads + c.kv_heads) * c.head_dim] = 0
    return value


def small_training_fixture(out: Path) -> None:
    """Writes golden-gpt2-training.safetensors: random tokens, a model of 27 thousand parameters."""
    c = make_configuration("gpt2", **SMALL)
    random = np.random.RandomState(2000)
    p = random_parameters(c, random)
    shape = (Training.steps, SMALL_BATCH, SMALL_LENGTH + 1)
    batches = torch.from_numpy(random.randint(0, c.vocabulary_size, shape).astype(np.int32))
    training_fixture(out / "golden-gpt2-training.safetensors", c, p, batches)


def full_training_fixture(out: Path, data: Path) -> None:
    """Writes golden-gpt2-training-full.safetensors: windows of `data`, one token per character."""
    text = data.read_text(encoding="utf-8")
    vocabulary = {character: id for id, character in enumerate(sorted(set(text)))}
    if len(vocabulary) != FULL["vocabulary_size"]:
        raise SystemExit(
            f"{data} is not tinyshakespeare. Found {len(vocabulary)} different characters, "
            f"expected {FULL['vocabulary_size']}. Give its path with --data"
        )
    tokens = np.array([vocabulary[character] for character in text], dtype=np.int32)
    train_tokens = tokens[: len(tokens) * 9 // 10]

    c = make_configuration("gpt2", **FULL)
    random = np.random.RandomState(2001)
    p = nanogpt_parameters(c, random)
    starts = random.randint(0, len(train_tokens) - FULL_LENGTH, (Training.steps, FULL_BATCH))
    windows = starts[..., None] + np.arange(FULL_LENGTH + 1)
    batches = torch.from_numpy(train_tokens[windows])
    training_fixture(out / "golden-gpt2-training-full.safetensors", c, p, batches)


# Command line


def _report(path: Path, text: str) -> None:
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {text}")


def _expect_small(what: str, difference: float, limit: float) -> None:
    """Prints how much float32 alone changes: the tests' tolerance must leave room for it."""
    print(f"    {what}: {difference:.1e}")
    if not difference <= limit:
        raise SystemExit(f"{what} differ too much. Found {difference:.1e}, expected ≤ {limit:.0e}")


def main() -> None:
    """Reads the options and writes the files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, help="directory to write to (default: Tests/Fixtures)")
    parser.add_argument("--full", action="store_true", help="write the large training case instead")
    parser.add_argument(
        "--data", type=Path, default=FULL_DATA, help="tinyshakespeare (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.full and options.out is None:
        parser.error("the full case does not belong into the repository. Give a directory: --out")
    if options.full and not options.data.is_file():
        parser.error(f"no such file. Found --data {options.data}, expected tinyshakespeare's text")

    torch.set_num_threads(1)  # the order of sums, and with it the bytes, must not vary
    torch.use_deterministic_algorithms(True)
    out = options.out or FIXTURES
    out.mkdir(parents=True, exist_ok=True)
    if options.full:
        full_training_fixture(out, options.data)
        return
    for name in (*CASES, *RECURSIVE_CASES):
        family_fixture(name, out)
    small_training_fixture(out)


if __name__ == "__main__":
    main()
