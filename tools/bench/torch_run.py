"""A whole training run of nanoGPT's CPU configuration in eager PyTorch: loss_clock.py's opponent.

    python tools/bench/torch_run.py '{"data": "tinyshakespeare.txt", "seed": 1, "threads": 2}'

Sizes and recipe: what nanoGPT's README gives for a CPU (config/train_shakespeare_char.py of
https://github.com/karpathy/nanoGPT with the README's changes): 4 layers, 4 heads, width 128,
context 64, batch 12, no biases, 2000 steps of AdamW with a rate of 1e-3 that rises over 100 steps
and falls to 1e-4 by a cosine, betas 0.9 and 0.99, decay 0.1, clipping at 1, no dropout, weights
from a normal distribution of 0.02. Prints one JSON object per evaluation; `seconds` is the time of
the steps alone.
"""

from __future__ import annotations

import json
import math
import sys
import time

import torch

from nanogpt import GPT, make_optimizer

SIZES = {"layers": 4, "heads": 4, "embed_dim": 128, "context": 64}
BATCH_SIZE = 12
STEPS = 2000
WARM_UP = 100
PEAK_RATE, LAST_RATE = 1e-3, 1e-4


def learning_rate(step: int) -> float:
    """Returns the rate of step `step`, counted from 0: linear warm-up, then a cosine."""
    if step < WARM_UP:
        return PEAK_RATE * (step + 1) / (WARM_UP + 1)
    progress = (step - WARM_UP) / (STEPS - WARM_UP)
    return LAST_RATE + 0.5 * (1 + math.cos(math.pi * progress)) * (PEAK_RATE - LAST_RATE)


def tokens_of(path: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Returns the first nine tenths of the text, the rest, and the number of characters."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    alphabet = {character: token for token, character in enumerate(sorted(set(text)))}
    tokens = torch.tensor([alphabet[character] for character in text])
    middle = int(0.9 * len(tokens))
    return tokens[:middle], tokens[middle:], len(alphabet)


@torch.no_grad()
def whole_loss(model: GPT, tokens: torch.Tensor) -> float:
    """Returns the mean loss over every token but the first, in windows without overlap."""
    context = SIZES["context"]
    total, count = 0.0, len(tokens) - 1
    whole = count // context * context
    inputs, targets = (part[:whole].view(-1, context) for part in (tokens[:-1], tokens[1:]))
    for rows, wanted in zip(inputs.split(256), targets.split(256), strict=True):
        total += model(rows, wanted)[1].item() * wanted.numel()
    if whole < count:
        last = tokens[whole:]
        total += model(last[None, :-1], last[None, 1:])[1].item() * (count - whole)
    return total / count


def run(settings: dict) -> None:
    """Trains and prints."""
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    training, validation, vocab_size = tokens_of(settings["data"])
    model = GPT(**SIZES, vocab_size=vocab_size, bias=False)
    optimizer = make_optimizer(model, settings.get("adamw", "fused"))
    parameters = list(model.parameters())
    context = SIZES["context"]
    offsets = torch.arange(context + 1)
    seconds = 0.0
    start = time.perf_counter()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        first = torch.randint(len(training) - context, (BATCH_SIZE, 1))
        batch = training[first + offsets]
        _, loss = model(batch[:, :-1], batch[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done = step + 1
        if done % settings.get("eval_every", 100) == 0 or done == STEPS:
            seconds += time.perf_counter() - start
            answer = {"step": done, "seconds": seconds, "val_loss": whole_loss(model, validation)}
            print(json.dumps(answer), flush=True)
            start = time.perf_counter()


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
