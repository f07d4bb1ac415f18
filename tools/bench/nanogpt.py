"""GPT-2 in eager PyTorch as people train it: the opponent of train_step.py, not a reference.

The structure is that of nanoGPT (https://github.com/karpathy/nanoGPT), written anew: one fused
query-key-value projection, F.scaled_dot_product_attention, tied head, AdamW with weight decay on
matrices. For the formulas see tools/reference_model.py.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """x += attention(norm(x)); x += mlp(norm(x))."""

    def __init__(self, embed_dim: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(embed_dim, bias=bias)
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=bias)
        self.output = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.mlp_norm = nn.LayerNorm(embed_dim, bias=bias)
        self.up = nn.Linear(embed_dim, 4 * embed_dim, bias=bias)
        self.down = nn.Linear(4 * embed_dim, embed_dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: x and result (B, T, C)."""
        batch, length, width = x.shape
        parts = self.qkv(self.attention_norm(x)).split(width, dim=2)
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in parts
        )  # (B, H, T, D)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).reshape(batch, length, width))
        # nanoGPT has the exact form of GELU; GPT-2 and we have this one, so both do the same work.
        return x + self.down(F.gelu(self.up(self.mlp_norm(x)), approximate="tanh"))


class GPT(nn.Module):
    """The whole model, with GPT-2's initial values."""

    def __init__(
        self, *, layers: int, heads: int, embed_dim: int, context: int, vocab_size: int, bias: bool
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(context, embed_dim)
        self.blocks = nn.ModuleList(Block(embed_dim, heads, bias) for _ in range(layers))
        self.norm = nn.LayerNorm(embed_dim, bias=bias)
        for name, value in self.named_parameters():
            if value.dim() >= 2:
                residual = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(value, std=0.02 / math.sqrt(2 * layers) if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(value)

    def forward(self, tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the logits (B, T, V) and the mean loss."""
        positions = torch.arange(tokens.shape[1])
        x = self.tokens(tokens) + self.positions(positions)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def make_optimizer(model: nn.Module, kind: str) -> torch.optim.AdamW:
    """Returns AdamW in one of PyTorch's implementations: "loop", "foreach" or "fused"."""
    parameters = list(model.parameters())
    return torch.optim.AdamW(
        [
            {"params": [value for value in parameters if value.dim() >= 2], "weight_decay": 0.1},
            {"params": [value for value in parameters if value.dim() < 2], "weight_decay": 0.0},
        ],
        lr=1e-3,
        betas=(0.9, 0.99),
        eps=1e-8,
        foreach=kind == "foreach",
        fused=kind == "fused",
    )
