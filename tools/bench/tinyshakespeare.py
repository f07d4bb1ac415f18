"""Validation loss after a fixed budget on a text: families and seeds, by the program itself.

    python3 tools/bench/tinyshakespeare.py --data ../shared/data/tinyshakespeare.txt

2000 steps of 12 x 64 characters with 4 layers, 4 heads, width 128; the loss is the mean over the
whole validation split (the last tenth of the text) after the last step. Same seed, same figure:
results do not depend on threads or on what else the machine does, only on the back end's rounding.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile

SIZES = "--layers 4 --heads 4 --embed-dim 128 --context 64 --batch-size 12 --steps 2000".split()


def final_loss(program: str, data: str, family: str, seed: int, extra: list[str]) -> float:
    """Trains once and returns the validation loss of the last evaluation, nats per character."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "train", "--data", data, "--family", family, "--seed", str(seed)]
        command += [*SIZES, "--eval-every", "0", "--sample-tokens", "0", "--json"]
        command += ["--out", folder, *extra]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {result.stderr.strip()}")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    return [record["val_loss"] for record in records if record.get("val_loss") is not None][-1]


def main() -> None:
    """Prints one line per family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="tinyshakespeare.txt")
    parser.add_argument("--mgpt", default=".build/release/mgpt", help="the program")
    parser.add_argument("--families", default="gpt2,modern", help="comma-separated")
    parser.add_argument("--seeds", default="1,2,3", help="comma-separated")
    parser.add_argument("extra", nargs="*", help="after --: further options of mgpt train")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    print("| family |" + "".join(f" seed {seed} |" for seed in seeds))
    print("| --- |" + " --- |" * len(seeds))
    for family in arguments.families.split(","):
        losses = [
            final_loss(arguments.mgpt, arguments.data, family, seed, arguments.extra)
            for seed in seeds
        ]
        print(f"| `{family}` |" + "".join(f" {loss:.4f} |" for loss in losses), flush=True)


if __name__ == "__main__":
    main()
