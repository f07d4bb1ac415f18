"""Times one training step of PyTorch and of mgpt, alternately, and prints the ratio.

    python tools/bench/train_step.py --config A,B,C,D,E --threads 1,2

The model is GPT-2 (LayerNorm, GELU, learned positions, tied head) in the structure that nanoGPT
uses: one fused query-key-value projection, F.scaled_dot_product_attention, AdamW with weight decay
on matrices, gradient clipping by global norm 1.0. A step is forward, backward, clipping, update;
batches are random tokens drawn beforehand.

How PyTorch gets its best figure: it runs in its own processes (torch_steps.py), one for each number
of threads, which live as long as their configuration (allocator and caches stay warm), has a
warm-up, uses the fastest of AdamW's three implementations and, with --torch-mode best, of eager,
compiled and bfloat16 modes, found by trials, and keeps OpenMP's default waiting
(OMP_WAIT_POLICY=PASSIVE was slower, longer spinning no faster). While mgpt runs, these processes
wait for input; a pause before mgpt's turn lets their threads stop spinning. All sides do blocks of
a few seconds in turn, the order changing every round; a result is the median over the rounds of the
ratio within a round, so slow drifts of the machine cancel.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from dataclasses import asdict, dataclass

from machine import add_threads, commit, machine_name, print_json, thread_counts, warn_if_busy
from mgpt_runs import add_mgpt, check_mgpt, measure_mgpt, training_options
from torch_steps import MODES, TorchProcess, start_fastest
from worker import WorkerFailed

SHORTEST_BLOCK = 3  # steps
LONGEST_BLOCK = 200_000  # steps


@dataclass(frozen=True)
class Case:
    """The sizes of one configuration."""

    layers: int
    heads: int
    embed_dim: int
    context: int
    batch_size: int
    vocab_size: int

    @property
    def tokens_per_step(self) -> int:
        """B·T."""
        return self.batch_size * self.context

    @property
    def flops_per_step(self) -> float:
        """6 per matrix weight and token, and 6·L·C·T per token for attention's causal half.

        The same count as `mgpt bench train`. Biases and gains are left out (below 1 %), the
        position table too (it is only added). Source: Chowdhery et al. 2022, PaLM,
        arXiv 2204.02311, appendix B, which counts the masked half too.
        """
        matrices = 12 * self.layers * self.embed_dim**2 + self.vocab_size * self.embed_dim
        attention = 6 * self.layers * self.embed_dim * self.context
        return self.tokens_per_step * (6.0 * matrices + attention)


CASES = {
    "A": Case(layers=4, heads=4, embed_dim=128, context=64, batch_size=12, vocab_size=65),
    "B": Case(layers=4, heads=4, embed_dim=128, context=256, batch_size=1, vocab_size=256),
    "C": Case(layers=6, heads=8, embed_dim=256, context=256, batch_size=16, vocab_size=500),
    "D": Case(layers=12, heads=12, embed_dim=768, context=256, batch_size=1, vocab_size=50257),
    "E": Case(layers=1, heads=4, embed_dim=16, context=16, batch_size=1, vocab_size=27),
}


class Mgpt:
    """`mgpt bench train` on one number of threads; a process per block."""

    def __init__(self, case: Case, threads: int, options: argparse.Namespace) -> None:
        self._program = options.mgpt
        self._words = ["bench", "train", "--family", "gpt2", "--json"]
        for key, value in asdict(case).items():
            self._words += ["--" + key.replace("_", "-"), value]
        self._words += ["--threads", threads, *options.mgpt_options]

    def run(self, steps: int) -> dict:
        """Does that many steps and returns the object that mgpt prints."""
        return measure_mgpt(self._program, [*self._words, "--steps", steps])


class Side:
    """A program on a number of threads, with the blocks that it has done."""

    def __init__(self, program: Mgpt | TorchProcess, first_ms: float, seconds: float) -> None:
        self.program = program
        self.steps = block_steps(first_ms, seconds)
        self.blocks: list[dict] = []

    def turn(self) -> None:
        """Does one block."""
        self.blocks.append(self.program.run(self.steps))

    def ratios(self, faster: Side) -> list[float]:
        """Returns this side's step time over the other's, round by round."""
        return [
            slow["step_ms"] / fast["step_ms"]
            for slow, fast in zip(self.blocks, faster.blocks, strict=True)
        ]


def block_steps(step_ms: float, seconds: float) -> int:
    """Returns how many steps of that duration fill a block."""
    wanted = math.ceil(1000 * seconds / step_ms)
    return min(max(wanted, SHORTEST_BLOCK), LONGEST_BLOCK)


def make_sides(case: Case, threads: int, options: argparse.Namespace) -> dict[str, Side]:
    """Starts both programs on that many threads; trials decide how many steps a block has."""
    sides = {}
    if not options.mgpt_only:
        modes = list(MODES) if options.torch_mode == "best" else [options.torch_mode]
        process, step_ms, trials = start_fastest(
            asdict(case), threads, options.bias, modes, options.block_seconds / 2
        )
        for name, outcome in trials.items():
            words = outcome if isinstance(outcome, str) else f"{outcome:.4g} ms"
            print(f"trial: {threads} threads, PyTorch {name}: {words}", file=sys.stderr)
        sides["torch"] = Side(process, step_ms, options.block_seconds)
    if not options.torch_only:
        program = Mgpt(case, threads, options)
        first = program.run(SHORTEST_BLOCK)
        first = program.run(block_steps(first["step_ms"], 0.5))
        sides["mgpt"] = Side(program, first["step_ms"], options.block_seconds)
    return sides


def compare(name: str, options: argparse.Namespace) -> list[dict]:
    """Measures one configuration and returns a result for each number of threads."""
    case = CASES[name]
    sides: dict[int, dict[str, Side]] = {}
    try:
        for threads in options.thread_counts:
            sides[threads] = make_sides(case, threads, options)
        turns = [side for pair in sides.values() for side in pair.values()]
        for number in range(options.rounds):
            for side in turns if number % 2 == 0 else reversed(turns):
                side.turn()
    except WorkerFailed as error:
        raise SystemExit(f"PyTorch failed: {error}") from error
    finally:
        for pair in sides.values():
            if "torch" in pair:
                pair["torch"].program.close()

    first = options.thread_counts[0]
    results = []
    for threads, pair in sides.items():
        result = {
            "config": name,
            "threads": threads,
            "bias": options.bias,
            "mgpt_options": options.mgpt_options,
            "tokens_per_step": case.tokens_per_step,
            "rounds": options.rounds,
        }
        peak = None
        if "mgpt" in pair:
            peak = max(block["peak_gflops"] for block in pair["mgpt"].blocks)
        for program, side in pair.items():
            result[program] = summary(case, side.blocks, peak)
            if threads != first:
                scaling = sides[first][program].ratios(side)
                result[program]["scaling"] = statistics.median(scaling)
                result[program]["scaling_from"] = first
        if "torch" in pair:
            side = pair["torch"]
            result["torch"] |= {
                "adamw": side.program.adamw,
                "mode": side.program.mode,
                "version": side.blocks[0]["torch"],
                "library_rss_bytes": side.blocks[0]["library_rss_bytes"],
            }
        if len(pair) == 2:
            ratios = pair["torch"].ratios(pair["mgpt"])
            result["ratio"] = statistics.median(ratios)
            result["ratio_min"], result["ratio_max"] = min(ratios), max(ratios)
        results.append(result)
    return results


def summary(case: Case, blocks: list[dict], peak: float | None) -> dict:
    """Returns median and spread over the blocks; each block's figure is itself a median."""
    times = [block["step_ms"] for block in blocks]
    step_ms = statistics.median(times)
    gigaflops = case.flops_per_step / step_ms / 1e6
    return {
        "step_ms": step_ms,
        "step_ms_min": min(times),
        "step_ms_max": max(times),
        "tokens_per_second": 1000 * case.tokens_per_step / step_ms,
        "gigaflops": gigaflops,
        "peak_gflops": peak,
        "mfu": gigaflops / peak if peak else None,
        "peak_rss_bytes": max(block["peak_rss_bytes"] for block in blocks),
        "loss": blocks[-1]["loss"],
    }


HEADINGS = (
    "configuration", "threads", "PyTorch ms", "of peak", "MB", "1 thread to these",
    "mgpt ms", "of peak", "MB", "1 thread to these", "PyTorch / mgpt", "PyTorch's mode",
)  # fmt: skip


def print_row(result: dict) -> None:
    """Prints one row of the table."""
    cells = [result["config"], str(result["threads"])]
    for side in ("torch", "mgpt"):
        if side not in result:
            cells += ["–"] * 4
            continue
        figures = result[side]
        cells += [
            f"{figures['step_ms']:.4g} ({figures['step_ms_min']:.4g}–{figures['step_ms_max']:.4g})",
            f"{100 * figures['mfu']:.0f} %" if figures["mfu"] else "–",
            f"{figures['peak_rss_bytes'] / 1e6:.0f}",
            f"{figures['scaling']:.2f}" if "scaling" in figures else "–",
        ]
    if "ratio" in result:
        cells.append(f"{result['ratio']:.2f} ({result['ratio_min']:.2f}–{result['ratio_max']:.2f})")
    else:
        cells.append("–")
    cells.append("{mode}, {adamw}".format(**result["torch"]) if "torch" in result else "–")
    print("| " + " | ".join(cells) + " |", flush=True)


def print_heading(options: argparse.Namespace) -> None:
    """Prints the machine and the heading of the table (Markdown)."""
    print(machine_name())
    words = " ".join(options.mgpt_options) or "defaults"
    print(f"Commit {commit()}; mgpt with {words}. Time per step in ms: median (smallest–largest")
    print("block); of peak: model FLOP over the FMA peak that mgpt measured on these threads.\n")
    print("| " + " | ".join(HEADINGS) + " |")
    print("| --- " * len(HEADINGS) + "|", flush=True)


def parse_options() -> argparse.Namespace:
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("--config", default="A,B,E", help="of " + ",".join(CASES) + " (default: %(default)s)")
    add_threads(parser)
    add("--rounds", type=int, default=5, help="(default: %(default)s)")
    add("--block-seconds", type=float, default=3.0, help="one side's turn (default: %(default)s)")
    add_mgpt(parser)
    add(
        "--torch-mode",
        default="eager",
        choices=[*MODES, "best"],
        help="how PyTorch computes; best tries all and takes the fastest (default: eager)",
    )
    add("--precision", choices=["f32", "bf16"], help="mgpt's; PyTorch's is in --torch-mode")
    add("--optimizer", help="mgpt's, such as muon; PyTorch's is AdamW")
    add(
        "--no-bias",
        dest="bias",
        action="store_false",
        help="PyTorch's model without biases, as nanoGPT's default; mgpt's model keeps them",
    )
    add("--torch-only", action="store_true", help="measure PyTorch alone")
    add("--mgpt-only", action="store_true", help="measure mgpt alone")
    add("--json", action="store_true", help="one JSON object per row")
    options = parser.parse_args()
    options.names = options.config.split(",")
    for name in options.names:
        if name not in CASES:
            parser.error(f"unknown configuration. Found {name!r}, expected one of {list(CASES)}")
    options.thread_counts = thread_counts(parser, options.threads)
    options.mgpt_options = []
    if not options.torch_only:
        check_mgpt(parser, options.mgpt, " or --torch-only")
        options.mgpt_options = training_options(parser, options)
    return options


def main() -> None:
    """Runs the comparison."""
    options = parse_options()
    load = warn_if_busy()
    if not options.json:
        print_heading(options)
    for name in options.names:
        for result in compare(name, options):
            if options.json:
                print_json(result, load)
            else:
                print_row(result)


if __name__ == "__main__":
    main()
