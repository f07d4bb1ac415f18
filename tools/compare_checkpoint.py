"""Loads a checkpoint of the engine in PyTorch and prints what the model says about some tokens.

    python tools/compare_checkpoint.py runs/last.safetensors --text "To be, or not to be"
    python tools/compare_checkpoint.py runs/last.safetensors --tokens 5,9,2 --json

Shows that a real checkpoint can be read elsewhere and means the same there: compare the loss with
`mgpt eval` on the same text, the greedy continuation with `mgpt generate --temperature 0`. It knows
the character and the byte tokenizer; other tokenizers need --tokens. The mathematics is in
reference_model.py.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

import reference_model
from checkpoint_file import load_checkpoint
from reference_model import Configuration, Parameters

CONTINUATION_LENGTH = 16


class Tokenizer:
    """The character or byte tokenizer that a checkpoint describes."""

    def __init__(self, description: dict) -> None:
        self.kind = description["kind"]
        if self.kind not in ("char", "byte"):
            raise ValueError(
                f"unknown tokenizer. Found {self.kind!r}, expected char or byte. Give --tokens"
            )
        self.characters: list[int] = description.get("characters", [])  # code points by id
        self.ids = {point: id for id, point in enumerate(self.characters)}

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text; characters that training never saw share one id."""
        if self.kind == "byte":
            return list(text.encode())
        unknown = len(self.characters) + 2  # after the tokens that begin and end a document
        return [self.ids.get(ord(character), unknown) for character in text]

    def decode(self, tokens: list[int]) -> str:
        """Returns the text of some ids; those without text become U+FFFD."""
        if self.kind == "byte":
            return bytes(token for token in tokens if token < 256).decode(errors="replace")
        known = len(self.characters)
        return "".join(
            chr(self.characters[id]) if id < known else "\N{REPLACEMENT CHARACTER}" for id in tokens
        )


def window_loss(c: Configuration, p: Parameters, tokens: Tensor) -> float:
    """Returns the mean loss of predicting tokens 1 …, in windows of the context length.

    Windows don't overlap and start without context, each predicts all its next tokens.
    """
    total, count = 0.0, 0
    for start in range(0, len(tokens) - 1, c.context_length):
        window = tokens[start : start + c.context_length + 1]
        value = reference_model.loss(c, p, window[None, :-1], window[None, 1:])
        total += value.item() * (len(window) - 1)
        count += len(window) - 1
    return total / count


def greedy_continuation(c: Configuration, p: Parameters, tokens: Tensor) -> list[int]:
    """Returns the most probable next tokens, one after the other, inside the context window."""
    produced: list[int] = []
    for _ in range(CONTINUATION_LENGTH):
        window = tokens[-c.context_length :]
        next_token = reference_model.logits(c, p, window[None])[0, -1].argmax()
        produced.append(next_token.item())
        tokens = torch.cat([tokens, next_token[None].to(tokens.dtype)])
    return produced


def describe(c: Configuration, p: Parameters, tokens: Tensor) -> dict:
    """Returns the facts that are printed."""
    last = reference_model.logits(c, p, tokens[None, -c.context_length :])[0, -1]
    values, ids = last.topk(min(5, c.vocabulary_size))
    return {
        "family": c.family,
        "parameters": sum(value.numel() for value in p.values()),
        "tokens": len(tokens),
        "loss": window_loss(c, p, tokens) if len(tokens) > 1 else None,
        "logits_mean": last.mean().item(),
        "logits_deviation": last.std(correction=0).item(),
        "logits_min": last.min().item(),
        "logits_max": last.max().item(),
        "top": [[id, value] for id, value in zip(ids.tolist(), values.tolist(), strict=True)],
        "greedy": greedy_continuation(c, p, tokens),
    }


def print_facts(facts: dict, tokenizer: Tokenizer | None) -> None:
    """Prints the facts for people; tokens as text where the tokenizer is known."""

    def show(tokens: list[int]) -> str:
        return repr(tokenizer.decode(tokens)) if tokenizer else str(tokens)

    print(f"{facts['family']}, {facts['parameters']} parameters, {facts['tokens']} tokens given")
    if facts["loss"] is not None:
        print(f"loss {facts['loss']:.6f} nats/token, perplexity {math.exp(facts['loss']):.4f}")
    print(
        f"logits after the last token: mean {facts['logits_mean']:.6f}, "
        f"deviation {facts['logits_deviation']:.6f}, "
        f"from {facts['logits_min']:.6f} to {facts['logits_max']:.6f}"
    )
    for id, value in facts["top"]:
        print(f"    {id:6d} {show([id]):8s} {value:.6f}")
    print(f"greedy continuation: {show(facts['greedy'])}")


def read_tokens(options: argparse.Namespace, tokenizer: Tokenizer | None) -> list[int]:
    """Returns the tokens that the options give, as ids or as text."""
    if options.tokens:
        return [int(part) for part in options.tokens.split(",")]
    if tokenizer is None:
        raise ValueError("the checkpoint has no tokenizer. Give token ids: --tokens 1,2,3")
    text = options.file.read_text(encoding="utf-8") if options.file else options.text
    return tokenizer.encode(text)


def main() -> None:
    """Reads the options, loads the checkpoint, prints the facts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=Path, help="checkpoint, .safetensors")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", help="text for the checkpoint's tokenizer")
    source.add_argument("--file", type=Path, help="the same, read from a file")
    source.add_argument("--tokens", help="token ids, separated by commas")
    parser.add_argument("--float64", action="store_true", help="compute in float64")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()

    try:
        dtype = torch.float64 if options.float64 else torch.float32
        c, p, metadata = load_checkpoint(options.model, dtype)
        tokenizer = None
        if "tokenizer" in metadata and not options.tokens:
            tokenizer = Tokenizer(json.loads(metadata["tokenizer"]))
        tokens = read_tokens(options, tokenizer)
        outside = [token for token in tokens if not 0 <= token < c.vocabulary_size]
        if outside or not tokens:
            found = f"token {outside[0]}" if outside else "no token"
            raise ValueError(f"bad tokens. Found {found}, expected 0 … {c.vocabulary_size - 1}")
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        sys.exit(f"compare_checkpoint.py: {options.model}: {error}")

    with torch.no_grad():
        facts = describe(c, p, torch.tensor(tokens))
    if options.json:
        print(json.dumps(facts))
    else:
        print_facts(facts, tokenizer)


if __name__ == "__main__":
    main()
