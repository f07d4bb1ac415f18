#!/usr/bin/env python3
"""Encoding with GPT-2's vocabulary: mgpt beside Hugging Face's `tokenizers` and `tiktoken`.

Each program encodes the same text, one thread, --rounds times in turns; the figure is the median
in megabytes (10^6 bytes) per second. The packages are timed around one call in a warm process:
`tokenizers` once with `encode` for the whole text, once with `encode_batch_fast` for its lines;
`tiktoken` with `encode_ordinary` for the whole. mgpt counts the seconds in `encode` (`mgpt
tokenizer count --json`), in a new process each time, so that its cache starts empty.

With --train the time to learn --vocab-size tokens instead: `mgpt tokenizer train` as a whole
process against `BpeTrainer`, which gets two threads.

Usage: tools/bench/encode_text.py --gpt2 DIR --data FILE ... [--mgpt PROGRAM] [--rounds 5]
       [--train --vocab-size 4096]

Needs PyPI's `tokenizers` and `tiktoken`. All ids must be equal, or nothing is printed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Before `tokenizers` is loaded: one thread for encoding.
os.environ.setdefault("RAYON_NUM_THREADS", "2" if "--train" in sys.argv else "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import compare_tokenizers as packages  # noqa: E402
from machine import commit, machine_name, warn_if_busy  # noqa: E402


def seconds_of(call):
    """(seconds, result) of one call."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def mgpt_count(options, path):
    """(seconds encoding, number of tokens)."""
    command = [options.mgpt, "tokenizer", "count", "--tokenizer", str(options.gpt2)]
    command += ["--data", str(path), "--json"]
    report = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return report["seconds_encoding"], report["tokens"]


def encode_rates(options, path):
    """Medians of MB/s by program for one file."""
    data = path.read_bytes()
    text = data.decode()
    hugging, tik = packages.theirs(options.gpt2, "gpt2")
    ours = packages.Mgpt(options.mgpt, options.gpt2, "gpt2").encode(data)
    if ours != hugging.encode(text).ids or ours != tik.encode_ordinary(text):
        sys.exit(f"{path}: the ids differ")
    lines = text.splitlines(keepends=True)
    times = {"mgpt": [], "tokenizers": [], "lines": [], "tiktoken": []}
    for turn in range(options.rounds):
        calls = [
            ("mgpt", lambda: mgpt_count(options, path)[0]),
            ("tokenizers", lambda: seconds_of(lambda: hugging.encode(text))[0]),
            ("lines", lambda: seconds_of(lambda: hugging.encode_batch_fast(lines))[0]),
            ("tiktoken", lambda: seconds_of(lambda: tik.encode_ordinary(text))[0]),
        ]
        for name, call in calls if turn % 2 == 0 else reversed(calls):
            times[name].append(call())
    return {name: len(data) / statistics.median(all) / 1e6 for name, all in times.items()}


def training_seconds(options, path):
    """Medians of seconds by program to learn from one file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    times = {"mgpt": [], "tokenizers": []}
    with tempfile.TemporaryDirectory() as folder:
        command = [options.mgpt, "tokenizer", "train", "--data", str(path), "--force"]
        command += ["--vocab-size", str(options.vocab_size), "--out", folder + "/t.json"]
        for _ in range(options.rounds):
            run = lambda: subprocess.run(command, capture_output=True, check=True)  # noqa: E731
            times["mgpt"].append(seconds_of(run)[0])
            train = lambda: packages.train_theirs(text, options.vocab_size)  # noqa: E731
            times["tokenizers"].append(seconds_of(train)[0])
    return {name: statistics.median(all) for name, all in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gpt2", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--mgpt", default=".build/release/mgpt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--vocab-size", type=int, default=4096)
    options = parser.parse_args()
    warn_if_busy()
    print(f"{machine_name()}; commit {commit()}; MB/s, median of {options.rounds}\n")
    if options.train:
        print("| text | MB | mgpt, s | tokenizers, s |\n| --- | --- | --- | --- |")
    else:
        print("| text | MB | mgpt | tokenizers | its lines | tiktoken |")
        print("| --- | --- | --- | --- | --- | --- |")
    for path in options.data:
        size = path.stat().st_size / 1e6
        if options.train:
            found = training_seconds(options, path)
            print(f"| {path.name} | {size:.1f} | {found['mgpt']:.2f} | {found['tokenizers']:.2f} |")
        else:
            found = encode_rates(options, path)
            programs = ("mgpt", "tokenizers", "lines", "tiktoken")
            cells = " | ".join(f"{found[name]:.1f}" for name in programs)
            print(f"| {path.name} | {size:.1f} | {cells} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
