"""Recursion, measured: what it gains at equal parameters, and what leaving early saves.

    python3 tools/bench/recursion.py --data ../shared/data/tinyshakespeare.txt --out /tmp/recursion

Trains each model that is not in `--out` yet (2000 steps of 12 x 64 characters, width 128, 4 heads,
Muon), evaluates all on the whole validation split (the last tenth), sweeps the exits and prints the
tables of tools/bench/README.md. Losses depend on the seed, not on threads or on what else the
machine does; times do: run `--only time` on a quiet machine.

    --seeds 1,2,3        --only train,losses,exits,int8,time      --mgpt PROGRAM

`--only long` trains the longer runs, 20 M tokens at width 64, on all seeds given (about 15 CPU
minutes each), and times their steps in turns: that on a quiet machine too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import subprocess
import sys
import time as clock
from pathlib import Path

BUDGET = "--heads 4 --embed-dim 128 --context 64 --batch-size 12 --steps 2000".split()
LOOP = ["--recursion-steps", "3"]
FOUR = ["--recursion-steps", "4"]
WRAPPED = "--prelude 1 --core 2 --coda 1".split()
MODELS = {
    "2 layers": ["--layers", "2"],
    "core 2 × 3, final loss": ["--core", "2", *LOOP, "--recursion-loss", "final"],
    "core 2 × 3, gate loss": ["--core", "2", *LOOP],
    "core 2 × 3, gates from 15 %": ["--core", "2", *LOOP, "--gate-start", "0.15"],
    "4 layers": ["--layers", "4"],
    "1 + core 2 × 3 + 1, final loss": [*WRAPPED, *LOOP, "--recursion-loss", "final"],
    "1 + core 2 × 3 + 1, gates from 0 %": [*WRAPPED, *LOOP, "--gate-start", "0"],
    "1 + core 2 × 3 + 1, gate loss": [*WRAPPED, *LOOP],
}
# The longer runs: the model of 2 layers for as many tokens, and for as many operations.
LONG_SIZE = "--heads 4 --embed-dim 64 --context 128 --batch-size 16".split()
LONG_STEPS = 9766
LONG_MODELS = {
    "long, 2 layers": (["--layers", "2"], LONG_STEPS),
    "long, core 2 × 3": (["--core", "2", *LOOP, "--recursion-loss", "final"], LONG_STEPS),
    "long, core 2 × 4": (["--core", "2", *FOUR, "--recursion-loss", "final"], LONG_STEPS),
    "long, 2 layers, 3 × the tokens": (["--layers", "2"], 3 * LONG_STEPS),
    "long, 2 layers, 4 × the tokens": (["--layers", "2"], 4 * LONG_STEPS),
    "long, 6 layers": (["--layers", "6"], LONG_STEPS),
    "long, 8 layers": (["--layers", "8"], LONG_STEPS),
}
# What the program trains by default, and gates that begin earlier or later than by default.
GATED = ("core 2 × 3, gate loss", "1 + core 2 × 3 + 1, gate loss")
OTHERS = ("core 2 × 3, gates from 15 %", "1 + core 2 × 3 + 1, gates from 0 %")
STEPS = ("train", "losses", "exits", "int8", "time")  # "long" is only done by name
# The share of the passes that must be saved for at most so many nats.
BARS = ((0.001, 0.36), (0.005, 0.45), (0.010, 0.55))


class Bench:
    """The program, the texts and the folder of the runs."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.program, self.out, self.data = options.mgpt, options.out, options.data
        self.threads = ["--threads", str(options.threads)] if options.threads else []
        text = options.data.read_bytes()
        self.validation = options.out / "validation.txt"
        options.out.mkdir(parents=True, exist_ok=True)
        self.validation.write_bytes(text[len(text) * 9 // 10 :])

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs a command of the program to its end."""
        threads = [] if "--threads" in arguments else self.threads
        command = [self.program, *map(str, arguments), *threads]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"{' '.join(command)} failed: {result.stderr.strip()}")
        return result

    def folder(self, name: str, seed: int) -> Path:
        """Where a run is."""
        return self.out / f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}-{seed}"

    def model(self, name: str, seed: int) -> Path:
        """The checkpoint after the last step."""
        return self.folder(name, seed) / "last.safetensors"

    def train(self, name: str, seed: int, options: list | None = None) -> None:
        """Trains a model unless it is there."""
        folder = self.folder(name, seed)
        if (folder / "loss.svg").exists():
            return
        print(f"training: {name}, seed {seed}", file=sys.stderr, flush=True)
        arguments = ["--data", self.data, "--layout", "stream", "--out", folder, "--seed", seed]
        arguments += ["--eval-every", "0", "--sample-tokens", "0", "--quiet", "--force"]
        self.run("train", *arguments, *(options or [*BUDGET, *MODELS[name]]))

    def step_seconds(self, options: list, steps: int) -> float:
        """Seconds of a step: what so many more of them add to a short run."""
        arguments = ["--data", self.data, "--layout", "stream", "--out", self.out / "timing"]
        arguments += ["--eval-every", "0", "--sample-tokens", "0", "--quiet", "--force"]
        taken = []
        for count in (steps // 10, steps):
            start = clock.perf_counter()
            self.run("train", *arguments, *options, "--steps", count)
            taken.append(clock.perf_counter() - start)
        return (taken[1] - taken[0]) / (steps - steps // 10)

    def losses(self, name: str, seed: int) -> list[float]:
        """The validation loss after each pass."""
        arguments = ["--model", self.model(name, seed), "--data", self.validation, "--json"]
        found = self.run("eval", *arguments)
        values = json.loads(found.stdout)
        return values.get("pass_losses", [values["loss"]])

    def sweep(self, model: Path, measure: str) -> list[dict]:
        """The points of a sweep of thresholds by one measure, the deepest first."""
        arguments = ["--data", self.validation, "--exit-sweep", "--exit-by", measure, "--json"]
        chart = model.with_name(f"{model.stem}-{measure}.svg")
        found = self.run("eval", "--model", model, *arguments, "--chart", chart)
        return sorted(json.loads(found.stdout)["points"], key=lambda point: point["saved"])

    def at(self, model: Path, threshold: float | str) -> dict:
        """What evaluating with exits at a threshold of the gates prints."""
        arguments = ["--data", self.validation, "--json", "--exit-threshold", threshold]
        return json.loads(self.run("eval", "--model", model, *arguments).stdout)

    def threshold(self, model: Path, lost: float) -> float:
        """The smallest threshold of the gates, to a thousandth, that loses at most so much."""
        most = self.at(model, 1)["loss"] + lost
        low, high = 0, 1000
        while high - low > 1:
            middle = (low + high) // 2
            found = self.at(model, middle / 1000)["loss"]
            low, high = (low, middle) if found <= most else (middle, high)
        return high / 1000

    def token(self, model: Path, threshold: float, threads: int) -> tuple[float, str]:
        """Microseconds of a generated token, and the passes it took."""
        arguments = ["--max-tokens", 16000, "--seed", 1, "--exit-threshold", threshold]
        arguments += ["--threads", threads, "--show-depth"]
        found = self.run("generate", "--model", model, *arguments).stderr
        rate = re.search(r"at ([\d.]+) ?([KM]?) tokens/s", found)
        if not rate:
            sys.exit(f"no rate in: {found}")
        scale = {"": 1, "K": 1e3, "M": 1e6}[rate.group(2)]
        return 1e6 / (float(rate.group(1)) * scale), found.split(" of 3 passes")[0].split()[-1]


def row(*cells: object) -> None:
    """Prints a line of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def lost_at(points: list[dict], saved: float) -> float:
    """The nats lost where so much is saved, on straight lines between the points."""
    for before, after in zip(points, points[1:]):
        if before["saved"] <= saved <= after["saved"]:
            width = after["saved"] - before["saved"]
            share = (saved - before["saved"]) / width if width > 0 else 0
            return before["lost"] + share * (after["lost"] - before["lost"])
    return float("nan")


def losses(bench: Bench, seeds: list[int]) -> None:
    """Every model at every seed: the loss after each pass."""
    row("model", *(f"seed {seed}" for seed in seeds))
    row("---", *("---" for _ in seeds))
    for name in MODELS:
        cells = [" / ".join(f"{x:.4f}" for x in bench.losses(name, seed)) for seed in seeds]
        row(name, *cells)


def exits(bench: Bench, seeds: list[int]) -> None:
    """What leaving early costs, by gate against the bars, and by the other measures beside it."""
    for name in (*OTHERS, *GATED):
        print(f"\n{name}\n")
        row("passes saved", *(f"nats lost, seed {seed}" for seed in seeds), "bar")
        row("---", *("---" for _ in seeds), "---")
        sweeps = {seed: bench.sweep(bench.model(name, seed), "gate") for seed in seeds}
        for bar, saved in BARS:
            cells = (f"{lost_at(sweeps[seed], saved):+.4f}" for seed in seeds)
            row(f"{saved:.0%}", *cells, f"{bar:.3f}")
        if name in GATED:
            measures(bench, name, sweeps)


def measures(bench: Bench, name: str, gates: dict[int, list[dict]]) -> None:
    """What leaving by the other measures costs, beside what it costs by gate."""
    print()
    kinds = [(measure, seed) for measure in ("entropy", "kl") for seed in gates]
    row("passes saved", *(f"gate / {measure}, seed {seed}" for measure, seed in kinds))
    row("---", *("---" for _ in kinds))
    others = [(seed, bench.sweep(bench.model(name, seed), measure)) for measure, seed in kinds]
    for saved in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        cells = (f"{lost_at(gates[s], saved):+.4f} / {lost_at(o, saved):+.4f}" for s, o in others)
        row(f"{saved:.0%}", *cells)


def int8(bench: Bench, seeds: list[int]) -> None:
    """The same exits with weights in int8."""
    row("model", "threshold", "passes, float32", "passes, int8", "loss, float32", "loss, int8")
    row("---", "---", "---", "---", "---", "---")
    for name, seed in itertools.product(GATED, seeds):
        model = bench.model(name, seed)
        small = model.with_name("int8.safetensors")
        bench.run("quantize", "--model", model, "--to", "int8", "--out", small, "--force")
        for threshold in ("1", "0.3", "0.2"):
            a, b = (bench.at(m, threshold) for m in (model, small))
            passes = (f"{x['passes']:.3f}" for x in (a, b))
            row(f"{name}, seed {seed}", threshold, *passes, *(f"{x['loss']:.4f}" for x in (a, b)))


def time(bench: Bench, seeds: list[int], lost: float = 0.010, rounds: int = 9) -> None:
    """Time of a generated token with the exits that lose so much, and without, in turns."""
    names = ("threads", "threshold", "saved", "µs, all passes", "with exits", "ratio", "passes")
    row("model", *names)
    row(*("---" for _ in range(1 + len(names))))
    for name, seed in itertools.product(GATED, seeds):
        model = bench.model(name, seed)
        threshold = bench.threshold(model, lost)
        saved = 1 - bench.at(model, threshold)["passes"] / 3
        for threads in (1, 2):
            times: dict[float, list[float]] = {1.0: [], threshold: []}
            passes = ""
            for turn in range(rounds):
                for choice in sorted(times, reverse=bool(turn % 2)):
                    taken, depth = bench.token(model, choice, threads)
                    times[choice].append(taken)
                    passes = depth if choice == threshold else passes
            full, early = (statistics.median(times[choice]) for choice in (1.0, threshold))
            ratio = statistics.median(b / a for a, b in zip(times[1.0], times[threshold]))
            figures = (f"{full:.1f}", f"{early:.1f}", f"{ratio:.3f}", passes)
            row(f"{name}, seed {seed}", threads, threshold, f"{saved:.0%}", *figures)


def long(bench: Bench, seeds: list[int], rounds: int = 5) -> None:
    """The longer runs: losses, then times of a step in turns."""
    times: dict[str, list[float]] = {name: [] for name in LONG_MODELS}
    for seed in seeds:
        for name, (options, steps) in LONG_MODELS.items():
            bench.train(name, seed, [*LONG_SIZE, *options, "--steps", steps])
    for turn in range(rounds):
        for name in sorted(LONG_MODELS, reverse=bool(turn % 2)):
            times[name].append(bench.step_seconds([*LONG_SIZE, *LONG_MODELS[name][0]], 100))
    row("model", "M tokens", "ms per step", "s in all", *(f"seed {seed}" for seed in seeds))
    row(*("---" for _ in range(4 + len(seeds))))
    for name, (_, steps) in LONG_MODELS.items():
        seconds = statistics.median(times[name])
        cells = (f"{bench.losses(name, seed)[-1]:.4f}" for seed in seeds)
        tokens = f"{steps * 16 * 128 / 1e6:.0f}"
        row(name, tokens, f"{seconds * 1000:.1f}", f"{seconds * steps:.0f}", *cells)


def main() -> None:
    """Does what was asked for, in the order of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="tinyshakespeare.txt")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--mgpt", default=".build/release/mgpt", help="the program")
    parser.add_argument("--seeds", default="1,2,3", help="comma-separated")
    parser.add_argument("--only", default=",".join(STEPS), help="comma-separated")
    parser.add_argument("--threads", type=int, help="of the program")
    options = parser.parse_args()
    wanted = options.only.split(",")
    for step in wanted:
        if step not in (*STEPS, "long"):
            known = ", ".join((*STEPS, "long"))
            parser.error(f"--only is unknown. Found {step}, expected some of {known}")
    bench = Bench(options)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    if "train" in wanted:
        for seed in seeds:
            for name in MODELS:
                bench.train(name, seed)
    for step in (losses, exits, int8, time, long):
        if step.__name__ in wanted:
            print(f"\n{step.__name__}\n")
            step(bench, seeds)


if __name__ == "__main__":
    main()
