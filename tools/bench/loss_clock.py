"""Loss against the clock on a text: nanoGPT's CPU configuration in PyTorch, and mgpt.

    python tools/bench/loss_clock.py --data tinyshakespeare.txt --seeds 1,2,3 --svg loss_clock.svg
    python tools/bench/loss_clock.py --data tinyshakespeare.txt --mgpt-only -- --preset small

PyTorch trains to its end (torch_run.py). mgpt trains in the same run; what counts is when an
evaluation of it first comes to the loss at which PyTorch ended. Both clocks stand still during
evaluations, which walk over the whole validation split, and neither counts starting up or saving.
There is a round per seed; who begins changes every round. What comes after -- goes to mgpt train.

With --mgpt-only mgpt alone is run, to the end: loss, weights, tokens and time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from curve_chart import Curve, curve_chart
from machine import commit, cpu_name, print_json, warn_if_busy
from mgpt_runs import add_mgpt, check_mgpt, training_options

# The recipe that is held against nanoGPT's: a schedule as short as the time it may take.
RECIPE = "--family modern --layers 4 --heads 4 --embed-dim 128 --context 64 --batch-size 12".split()
RECIPE += "--optimizer muon --lr 0.02 --min-lr 0 --steps 380 --warmup 20 --precision bf16".split()


def torch_curve(options: argparse.Namespace, seed: int) -> list[dict]:
    """Trains nanoGPT's model and returns its evaluations: step, seconds, val_loss."""
    settings = {
        "data": str(options.data), "seed": seed, "threads": options.threads,
        "adamw": options.adamw,
    }  # fmt: skip
    command = [sys.executable, str(Path(__file__).with_name("torch_run.py")), json.dumps(settings)]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    result = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env=environment, check=False
    )
    if result.returncode != 0:
        raise SystemExit("PyTorch's run failed. Its message is above")
    return [json.loads(line) for line in result.stdout.splitlines()]


def mgpt_run(options: argparse.Namespace, seed: int) -> dict:
    """Trains with mgpt; returns its evaluations, and what it cost.

    The seconds of an evaluation are the sum of the durations of all steps before it.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [str(options.mgpt), "train", "--data", str(options.data), "--out", folder]
        command += ["--seed", str(seed), "--threads", str(options.threads), *options.recipe]
        command += ["--json", "--log-every", "1", "--sample-tokens", "0"]
        command += ["--eval-every", str(options.eval_every), *options.mgpt_options]
        start = time.perf_counter()
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - start
        if result.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\nfailed: {result.stderr.strip()}")
        records = [json.loads(line) for line in result.stdout.splitlines()]
        inspect = [str(options.mgpt), "inspect", f"{folder}/last.safetensors", "--json"]
        described = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout
    seconds, curve = 0.0, []
    for record in records:
        seconds += record.get("step_ms", 0) / 1000
        if "val_loss" in record:
            point = {"step": record["step"], "seconds": seconds, "val_loss": record["val_loss"]}
            curve.append(point)
    model = json.loads(described)
    training = model["training"]
    tokens_per_step = training["batch_size"] * model["configuration"]["context_length"]
    tokens_per_step *= training["grad_accum"]
    return {
        "curve": curve, "wall_seconds": wall, "parameters": model["parameters"],
        "tokens": tokens_per_step * records[-1]["step"],
    }  # fmt: skip


def race(options: argparse.Namespace, number: int, seed: int) -> dict:
    """Runs both, the odd rounds mgpt first, and finds where mgpt comes to PyTorch's last loss."""
    sides = {}
    order = ["torch", "mgpt"] if number % 2 == 0 else ["mgpt", "torch"]
    for side in order:
        sides[side] = (
            torch_curve(options, seed) if side == "torch" else mgpt_run(options, seed)["curve"]
        )
    last = sides["torch"][-1]
    reached = next((p for p in sides["mgpt"] if p["val_loss"] <= last["val_loss"]), None)
    return {
        "seed": seed,
        "torch_loss": last["val_loss"],
        "torch_seconds": last["seconds"],
        "mgpt_step": reached and reached["step"],
        "mgpt_seconds": reached and reached["seconds"],
        "mgpt_loss": sides["mgpt"][-1]["val_loss"],
        "share": reached and reached["seconds"] / last["seconds"],
        "curves": sides,
    }


def race_all(options: argparse.Namespace, load: float) -> None:
    """Runs all rounds, prints a table or JSON, and draws the curves."""
    results = []
    if not options.json:
        print_machine(options)
        print("| seed | PyTorch: loss at the end | seconds | mgpt reaches it at step | seconds ", end="")
        print("| share of the time | mgpt's loss at the end |")
        print("| --- " * 7 + "|", flush=True)
    for number in range(options.rounds):
        result = race(options, number, options.seed_list[number % len(options.seed_list)])
        results.append(result)
        if options.json:
            print_json(result, load)
            continue
        reached = result["mgpt_seconds"] is not None
        cells = [
            str(result["seed"]), f"{result['torch_loss']:.4f}", f"{result['torch_seconds']:.1f}",
            str(result["mgpt_step"]) if reached else "never",
            f"{result['mgpt_seconds']:.1f}" if reached else "–",
            f"1/{1 / result['share']:.1f}" if reached else "–", f"{result['mgpt_loss']:.4f}",
        ]  # fmt: skip
        print("| " + " | ".join(cells) + " |", flush=True)
    shares = [result["share"] for result in results if result["share"] is not None]
    if len(shares) == len(results) and not options.json:
        print(f"\nMedian share of PyTorch's time: 1/{1 / statistics.median(shares):.1f}")
    if options.svg:
        options.svg.write_text(draw(results), encoding="utf-8")


def draw(results: list[dict]) -> str:
    """Returns the curves of all rounds as SVG."""
    names = {"torch": "PyTorch, nanoGPT's recipe", "mgpt": "mgpt"}
    colours = {"torch": "#8a6d1f", "mgpt": "#1f5fa8"}
    curves = [
        Curve(
            names[side], colours[side],
            [(point["seconds"], point["val_loss"]) for point in result["curves"][side]],
        )
        for result in results
        for side in ("torch", "mgpt")
    ]  # fmt: skip
    target = statistics.median(result["torch_loss"] for result in results)
    return curve_chart(
        curves,
        title="Validation loss against the clock",
        x_label="seconds of training, evaluations not counted",
        y_label="nats per character, whole validation split",
        level=(target, f"where PyTorch ends: {target:.3f}"),
    )


def run_alone(options: argparse.Namespace, load: float) -> None:
    """Runs mgpt alone, once per round."""
    if not options.json:
        print_machine(options)
        print("| seed | weights | tokens | loss at the end | best loss | training s | wall s |")
        print("| --- " * 7 + "|", flush=True)
    for number in range(options.rounds):
        seed = options.seed_list[number % len(options.seed_list)]
        result = mgpt_run(options, seed)
        losses = [point["val_loss"] for point in result["curve"]]
        seconds = result["curve"][-1]["seconds"]
        if options.json:
            print_json(result | {"seed": seed}, load)
            continue
        cells = [
            str(seed), str(result["parameters"]), str(result["tokens"]), f"{losses[-1]:.4f}",
            f"{min(losses):.4f}", f"{seconds:.1f}", f"{result['wall_seconds']:.1f}",
        ]  # fmt: skip
        print("| " + " | ".join(cells) + " |", flush=True)


def print_machine(options: argparse.Namespace) -> None:
    """Prints where and how it was measured."""
    print(f"{cpu_name()}, {options.threads} threads. Commit {commit()}; mgpt train with")
    print(" ".join([*options.recipe, *options.mgpt_options]) + "\n")


def parse_options() -> argparse.Namespace:
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="the text, tinyshakespeare.txt")
    add("--threads", type=int, default=os.cpu_count(), help="(default: all CPUs)")
    add("--seeds", default="1,2,3", help="by commas (default: %(default)s)")
    add("--rounds", type=int, help="(default: one per seed)")
    add("--eval-every", type=int, default=20, help="mgpt's steps between evaluations")
    add("--adamw", default="fused", choices=["loop", "foreach", "fused"], help="PyTorch's")
    add_mgpt(parser)
    add("--precision", choices=["f32", "bf16"], help="mgpt's")
    add("--optimizer", help="mgpt's, such as muon")
    add("--mgpt-only", action="store_true", help="run mgpt alone, to the end")
    add("--svg", type=Path, help="draw the curves into this file")
    add("--json", action="store_true", help="one JSON object per round")
    add("recipe", nargs="*", help="after --: options of mgpt train in place of the default ones")
    options = parser.parse_args()
    options.recipe = options.recipe or RECIPE
    options.seed_list = [int(seed) for seed in options.seeds.split(",")]
    options.rounds = options.rounds or len(options.seed_list)
    if not options.data.is_file():
        parser.error(f"no text. Found nothing at {options.data}, expected tinyshakespeare.txt")
    check_mgpt(parser, options.mgpt)
    options.mgpt_options = training_options(parser, options)
    return options


def main() -> None:
    """Runs what was asked for."""
    options = parse_options()
    load = warn_if_busy()
    if options.mgpt_only:
        run_alone(options, load)
    else:
        race_all(options, load)


if __name__ == "__main__":
    main()
