"""The whole model family in PyTorch, written to be checked against the papers, not to be fast.

One function per formula, parameters in a plain dictionary under the names that the Swift engine
uses, any floating-point type. It shares no code with the engine and needs no other library, so
agreement between the two says something. Not here: training loops (golden.py, bench/), files
(checkpoint_file.py). Start reading at `logits`.

    python tools/reference_model.py --check-transformers

compares the gpt2 family with `transformers.GPT2LMHeadModel` (needs `pip install transformers`).

Letters in shape comments: B batch, T tokens, C width, F hidden width, H query heads,
G key/value heads, D = C/H head width, V vocabulary.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-5  # added to the mean square or the variance by every norm
ROPE_BASE = 10_000.0
IGNORED_TARGET = -1

Parameters = dict[str, Tensor]


# Configuration


@dataclass(frozen=True)
class Configuration:
    """Everything that decides the mathematics; the fields are the JSON keys of a checkpoint."""

    family: str
    vocabulary_size: int
    context_length: int
    layers: int
    heads: int
    kv_heads: int
    embed_dim: int
    hidden_dim: int
    norm: str  # "rmsnorm" | "layernorm"
    norm_gain: bool
    norm_bias: bool
    norm_placement: str  # "pre" | "post" | "post-block"
    position: str  # "rope" | "learned"
    qk_norm: bool
    activation: str  # "relu2" | "gelu" | "relu" | "swiglu"
    linear_bias: bool
    tied_head: bool
    logit_soft_cap: float  # 0 = off
    embedding_scale: float
    embedding_norm: bool
    final_norm: bool
    dropout: float  # not applied here: the reference is deterministic
    # A recursive model passes through its core several times; 1 is a plain model.
    recursion_steps: int = 1
    prelude: int = 0
    coda: int = 0
    injection: str = "bounded"  # "bounded" | "outer" | "input"
    exit_gate: bool = True
    min_recursion_steps: int = 1
    exit_threshold: float = 1.0

    @property
    def core(self) -> range:
        """The layers that are passed through several times."""
        return range(self.prelude, self.layers - self.coda)

    @property
    def head_dim(self) -> int:
        """D, the width of one head."""
        return self.embed_dim // self.heads


# What each family changes; `_BASE` is a pre-norm RMSNorm model with learned positions.
_BASE = {
    "norm": "rmsnorm",
    "norm_gain": True,
    "norm_bias": False,
    "norm_placement": "pre",
    "position": "learned",
    "qk_norm": False,
    "linear_bias": False,
    "tied_head": False,
    "logit_soft_cap": 0.0,
    "embedding_scale": 1.0,
    "embedding_norm": False,
    "final_norm": True,
    "dropout": 0.0,
}
_FAMILIES = {
    "gpt2": {
        "norm": "layernorm",
        "norm_bias": True,
        "activation": "gelu",
        "linear_bias": True,
        "tied_head": True,
    },
    "microgpt": {
        "norm_gain": False,
        "activation": "relu",
        "embedding_norm": True,
        "final_norm": False,
    },
    "randygpt": {"activation": "relu2"},
    "picogpt": {
        "norm": "layernorm",
        "norm_placement": "post-block",
        "activation": "relu",
        "tied_head": True,
    },
    "llama": {"position": "rope", "activation": "swiglu"},
    "modern": {
        "position": "rope",
        "qk_norm": True,
        "activation": "relu2",
        "tied_head": True,
        "logit_soft_cap": 15.0,
    },
}
FAMILIES = tuple(_FAMILIES)


_RECURSION_KEYS = (
    "recursion_steps",
    "prelude",
    "coda",
    "injection",
    "exit_gate",
    "min_recursion_steps",
    "exit_threshold",
)


def make_configuration(
    family: str,
    *,
    vocabulary_size: int,
    context_length: int,
    layers: int,
    heads: int,
    embed_dim: int,
    kv_heads: int | None = None,
    tied_head: bool | None = None,
    **recursion: int | str | bool,
) -> Configuration:
    """Returns the configuration of a named family at the given sizes, recursive if that is said."""
    choices = {**_BASE, **_FAMILIES[family]}
    if tied_head is not None:
        choices["tied_head"] = tied_head
    if family == "modern" and choices["tied_head"]:
        choices["embedding_scale"] = math.sqrt(embed_dim)
    return Configuration(
        family=family,
        vocabulary_size=vocabulary_size,
        context_length=context_length,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads or heads,
        embed_dim=embed_dim,
        hidden_dim=_hidden_dim(family, embed_dim),
        **choices,
        **recursion,
    )


def _hidden_dim(family: str, embed_dim: int) -> int:
    if family == "picogpt":
        return 2 * embed_dim
    if family == "llama":
        return math.ceil(8 * embed_dim / 3 / 32) * 32
    return 4 * embed_dim


def configuration_from_dict(values: dict) -> Configuration:
    """Returns the configuration that a checkpoint describes; every key must be there."""
    fields = Configuration.__dataclass_fields__
    return Configuration(**{key: values[key] for key in fields if key in values})


def configuration_to_dict(configuration: Configuration) -> dict:
    """Returns the JSON keys and values of a configuration, in a fixed order.

    A plain model has no keys of recursion.
    """
    values = asdict(configuration)
    if configuration.recursion_steps == 1:
        for key in _RECURSION_KEYS:
            del values[key]
    return values


def parameter_shapes(c: Configuration) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter, in the engine's order; matrices are (out, in)."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str) -> None:
        if c.norm_gain:
            shapes[f"{name}.weight"] = (c.embed_dim,)
        if c.norm_bias:
            shapes[f"{name}.bias"] = (c.embed_dim,)

    def linear(name: str, outputs: int, inputs: int) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs)
        if c.linear_bias:
            shapes[f"{name}.bias"] = (outputs,)

    shapes["embedding.token.weight"] = (c.vocabulary_size, c.embed_dim)
    if c.position == "learned":
        shapes["embedding.position.weight"] = (c.context_length, c.embed_dim)
    for layer in range(c.layers):
        attention, mlp = f"blocks.{layer}.attention", f"blocks.{layer}.mlp"
        if c.norm_placement != "post-block":
            norm(f"{attention}.norm")
        linear(f"{attention}.qkv", (c.heads + 2 * c.kv_heads) * c.head_dim, c.embed_dim)
        linear(f"{attention}.output", c.embed_dim, c.heads * c.head_dim)
        norm(f"{mlp}.norm")
        if c.activation == "swiglu":
            linear(f"{mlp}.gate_up", 2 * c.hidden_dim, c.embed_dim)
        else:
            linear(f"{mlp}.up", c.hidden_dim, c.embed_dim)
        linear(f"{mlp}.down", c.embed_dim, c.hidden_dim)
    if c.recursion_steps > 1:
        if c.injection == "bounded":
            shapes["recursion.keep"] = shapes["recursion.inject"] = (c.embed_dim,)
        for number in range(c.recursion_steps):
            for layer in c.core:
                for half in ("attention", "mlp"):
                    for what in ("gain", "scale"):
                        shapes[f"passes.{number}.{layer}.{half}.{what}"] = (c.embed_dim,)
        if c.exit_gate:
            shapes["gate.weight"] = (c.embed_dim,)
            shapes["gate.bias"] = (1,)
    if c.final_norm:
        norm("norm")
    if not c.tied_head:
        shapes["head.weight"] = (c.vocabulary_size, c.embed_dim)
    return shapes


# Forward pass


def logits(c: Configuration, p: Parameters, tokens: Tensor) -> Tensor:
    """Returns the logits (B, T, V) of `tokens` (B, T)."""
    x = _embed(c, p, tokens)
    for layer in range(c.layers if c.recursion_steps == 1 else 0):
        x = _block(c, p, layer, x)
    if c.recursion_steps > 1:
        x = states(c, p, x)[-1]
        for layer in range(c.layers - c.coda, c.layers):
            x = _block(c, p, layer, x)
    return _head(c, p, x)


def _embed(c: Configuration, p: Parameters, tokens: Tensor) -> Tensor:
    x = p["embedding.token.weight"][tokens] * c.embedding_scale  # (B, T, C)
    if c.position == "learned":
        x = x + p["embedding.position.weight"][: tokens.shape[1]]
    return _norm(c, p, "embedding.norm", x) if c.embedding_norm else x


def _head(c: Configuration, p: Parameters, x: Tensor) -> Tensor:
    if c.final_norm:
        x = _norm(c, p, "norm", x)
    head = p["embedding.token.weight" if c.tied_head else "head.weight"]
    y = x @ head.T  # (B, T, V)
    if c.logit_soft_cap > 0:
        y = c.logit_soft_cap * torch.tanh(y / c.logit_soft_cap)
    return y


def _block(
    c: Configuration, p: Parameters, layer: int, x: Tensor, number: int | None = None
) -> Tensor:
    """Returns the residual stream after a block; in a core, with the gains of pass `number`."""
    for half, function in (("attention", _attention), ("mlp", _mlp)):
        name = f"blocks.{layer}.{half}"
        if c.norm_placement == "post-block" and half == "attention":
            x = x + function(c, p, name, x)
        elif c.norm_placement != "pre":
            x = _norm(c, p, f"{name}.norm", x + function(c, p, name, x))
        elif number is None:
            x = x + function(c, p, name, _norm(c, p, f"{name}.norm", x))
        else:
            ours = f"passes.{number}.{layer}.{half}"
            bias = p.get(f"{name}.norm.bias", 0)
            y = (_norm(c, p, f"{name}.norm", x) - bias) * p[f"{ours}.gain"] + bias
            x = x + p[f"{ours}.scale"] * function(c, p, name, y)
    return x


def states(c: Configuration, p: Parameters, x: Tensor) -> list[Tensor]:
    """Returns the state (B, T, C) after each pass of a recursive model; `x` is the embedding."""
    for layer in range(c.prelude):
        x = _block(c, p, layer, x)
    e = h = x
    found = []
    for number in range(c.recursion_steps):
        u = h
        if c.injection == "outer":
            u = _unit_norm(c, h)
        elif number > 0:
            u = h + e
            if c.injection == "bounded":
                u = torch.sigmoid(p["recursion.keep"]) * h + p["recursion.inject"] * e
        for layer in c.core:
            u = _block(c, p, layer, u, number)
        h = h + u if c.injection == "outer" else u
        found.append(h)
    return found


def recursion_losses(
    c: Configuration, p: Parameters, tokens: Tensor, targets: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Returns, for each pass, the loss of each token that counts, and the share that leaves there.

    The shares are those of the gates; without gates all leave after the last pass.
    """
    counts = (targets != IGNORED_TARGET).flatten()
    losses, shares, stay = [], [], torch.ones_like(counts, dtype=p["norm.weight"].dtype)
    h = states(c, p, _embed(c, p, tokens))
    for number, state in enumerate(h):
        x = state
        for layer in range(c.layers - c.coda, c.layers):
            x = _block(c, p, layer, x)
        y = _head(c, p, x).flatten(0, 1)
        wanted = targets.flatten()[counts].long()
        losses.append(F.cross_entropy(y[counts], wanted, reduction="none"))
        chance = torch.ones_like(stay)
        if c.exit_gate and number + 1 < len(h):
            z = _unit_norm(c, state) @ p["gate.weight"] + p["gate.bias"]
            chance = torch.sigmoid(z).flatten()
        elif number + 1 < len(h):
            chance = torch.zeros_like(stay)
        shares.append((stay * chance)[counts])
        stay = stay * (1 - chance)
    return losses, shares


GATE_ENTROPY = 0.05


def recursion_objective(
    c: Configuration, p: Parameters, tokens: Tensor, targets: Tensor, kind: str
) -> Tensor:
    """Returns what training minimises: "gate", "deep" or "final", the mean over tokens."""
    losses, shares = recursion_losses(c, p, tokens, targets)
    if kind == "final":
        return losses[-1].mean()
    if kind == "deep":
        total = sum(range(1, len(losses) + 1))
        return sum((r + 1) / total * loss.mean() for r, loss in enumerate(losses))
    return sum((q * loss + GATE_ENTROPY * q * q.log()).mean() for q, loss in zip(shares, losses))


def loss(c: Configuration, p: Parameters, tokens: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean cross-entropy in nats over the targets that are not `IGNORED_TARGET`."""
    y = logits(c, p, tokens)
    return F.cross_entropy(y.flatten(0, 1), targets.flatten().long(), ignore_index=IGNORED_TARGET)


def gradients(
    c: Configuration, p: Parameters, tokens: Tensor, targets: Tensor, objective: str = "final"
) -> tuple[Tensor, Parameters]:
    """Returns the loss, and the gradient of what training minimises by every parameter.

    These are the same but for recursive models, see `recursion_objective`.
    """
    leaves = {name: value.detach().requires_grad_(True) for name, value in p.items()}
    value = minimised = loss(c, leaves, tokens, targets)
    if c.recursion_steps > 1:
        minimised = recursion_objective(c, leaves, tokens, targets, objective)
    parts = torch.autograd.grad(minimised, list(leaves.values()))
    return value.detach(), dict(zip(leaves, parts, strict=True))


def _unit_norm(c: Configuration, x: Tensor) -> Tensor:
    """Normalises the last dimension, without gain and bias."""
    if c.norm == "layernorm":
        x = x - x.mean(-1, keepdim=True)  # then the mean square is the biased variance
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON)


def _norm(c: Configuration, p: Parameters, name: str, x: Tensor) -> Tensor:
    """Normalises the last dimension; gain and bias are used where the configuration has them.

    The norm of the embeddings (`embedding_norm`) has neither: only families without gain use it.
    """
    x = _unit_norm(c, x)
    if f"{name}.weight" in p:
        x = x * p[f"{name}.weight"]
    if f"{name}.bias" in p:
        x = x + p[f"{name}.bias"]
    return x


def _linear(p: Parameters, name: str, x: Tensor) -> Tensor:
    """Returns x·Wᵀ + b; W is (out, in)."""
    y = x @ p[f"{name}.weight"].T
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def _attention(c: Configuration, p: Parameters, name: str, x: Tensor) -> Tensor:
    """Causal softmax attention; query head h reads key/value head h / (H / G)."""
    batch, length, _ = x.shape
    qkv = _linear(p, f"{name}.qkv", x)
    qkv = qkv.view(batch, length, c.heads + 2 * c.kv_heads, c.head_dim).transpose(1, 2)
    q, k, v = qkv.split([c.heads, c.kv_heads, c.kv_heads], dim=1)  # (B, H or G, T, D)
    if c.qk_norm:
        q, k = _unit_rms(q), _unit_rms(k)
    if c.position == "rope":
        q, k = _rotate(q), _rotate(k)
    group = c.heads // c.kv_heads
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)  # (B, H, T, D)
    scores = q @ k.transpose(-2, -1) / math.sqrt(c.head_dim)  # (B, H, T, T)
    future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
    weights = scores.masked_fill(future, -math.inf).softmax(-1)
    mixed = (weights @ v).transpose(1, 2).reshape(batch, length, c.heads * c.head_dim)
    return _linear(p, f"{name}.output", mixed)


def _unit_rms(x: Tensor) -> Tensor:
    """RMSNorm of each head vector, without gain."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON)


def _rotate(x: Tensor) -> Tensor:
    """RoPE on pairs (i, i + D/2), angle = position · base^(-2i/D). x is (B, heads, T, D).

    Source: Su et al. 2021, RoFormer, arXiv 2104.09864, in the half-split layout of GPT-NeoX.
    """
    length, width = x.shape[-2:]
    half = width // 2
    frequency = ROPE_BASE ** (-2.0 * torch.arange(half, dtype=torch.float64) / width)
    angle = torch.outer(torch.arange(length, dtype=torch.float64), frequency)  # (T, D/2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def _mlp(c: Configuration, p: Parameters, name: str, x: Tensor) -> Tensor:
    """Two linear maps around the activation; SwiGLU (Shazeer 2020, 2002.05202) gates the first."""
    if c.activation == "swiglu":
        gate, up = _linear(p, f"{name}.gate_up", x).chunk(2, dim=-1)
        hidden = F.silu(gate) * up
    else:
        up = _linear(p, f"{name}.up", x)
        if c.activation == "relu":
            hidden = F.relu(up)
        elif c.activation == "relu2":
            hidden = F.relu(up).square()
        elif c.activation == "gelu":
            hidden = F.gelu(up, approximate="tanh")
        else:
            raise ValueError(
                f"unknown activation. Found {c.activation!r}, expected relu2, gelu, relu or swiglu"
            )
    return _linear(p, f"{name}.down", hidden)


# Independent check


def check_transformers() -> float:
    """Returns the largest difference from `GPT2LMHeadModel`, in logits and in gradients.

    Both in float64 with the same random weights; gradients are compared relative to the largest
    entry of their tensor.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    from checkpoint_file import from_file_names, to_file_names

    torch.manual_seed(1)
    c = make_configuration(
        "gpt2", vocabulary_size=29, context_length=12, layers=2, heads=4, embed_dim=32
    )
    other = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=c.vocabulary_size,
            n_positions=c.context_length,
            n_embd=c.embed_dim,
            n_layer=c.layers,
            n_head=c.heads,
            activation_function="gelu_new",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
            attn_implementation="eager",
        )
    ).double()
    theirs = {name.removeprefix("transformer."): value for name, value in other.named_parameters()}
    for value in theirs.values():  # initial gains are 1 and biases 0: they would hide mistakes
        torch.nn.init.normal_(value, std=0.3)
    ours = from_file_names(c, {name: value.detach() for name, value in theirs.items()})

    tokens = torch.randint(c.vocabulary_size, (3, 12))
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    expected = other(inputs).logits
    F.cross_entropy(expected.flatten(0, 1), targets.flatten()).backward()
    _, parts = gradients(c, ours, inputs, targets)

    worst = (logits(c, ours, inputs) - expected).abs().max().item()
    for name, gradient in to_file_names(c, parts).items():
        difference = (gradient - theirs[name].grad).abs().max() / theirs[name].grad.abs().max()
        worst = max(worst, difference.item())
    return worst


def main() -> None:
    """Runs the optional check against `transformers`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--check-transformers",
        action="store_true",
        help="compare the gpt2 family with transformers' GPT2LMHeadModel",
    )
    if not parser.parse_args().check_transformers:
        parser.error("nothing to do. Expected --check-transformers; otherwise import this file")
    worst = check_transformers()
    print(f"largest difference from GPT2LMHeadModel, logits and gradients: {worst:.2e}")
    if worst > 1e-12:
        raise SystemExit("too large. Found the difference above, expected at most 1e-12 (float64)")


if __name__ == "__main__":
    main()
