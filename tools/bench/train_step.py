"""Times one training step of eager PyTorch and of mgpt, alternately, and prints the ratio.

    python tools/bench/train_step.py --config A,B,E --threads 2

The model is GPT-2 (LayerNorm, GELU, learned positions, tied head) in the structure that nanoGPT
uses: one fused query-key-value projection, F.scaled_dot_product_attention, AdamW with weight decay
on matrices, gradient clipping by global norm 1.0. A step is forward, backward, clipping, update;
batches are random tokens drawn beforehand. Only eager float32 is measured, nothing compiled.

How PyTorch gets its best figure: it runs in its own process, which lives as long as its
configuration (allocator and caches stay warm), has a warm-up, uses the fastest of AdamW's three
implementations, found by a trial, and keeps OpenMP's default waiting (OMP_WAIT_POLICY=PASSIVE was
slower, longer spinning no faster). While mgpt runs, that process waits for input; a pause before
mgpt's turn lets its threads stop spinning. Both do blocks of a few seconds in turn, the order
changing every round; the result is the median over the rounds of the ratio within a round, so slow
drifts of the machine cancel.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ADAMW_KINDS = ("loop", "foreach", "fused")
WARM_UP_STEPS = 3
SHORTEST_BLOCK = 3  # steps
LONGEST_BLOCK = 200_000  # steps
BUSY_LOAD = 0.5  # other programs, averaged over the last minute
PAUSE = 0.1  # seconds; libgomp spins for a few milliseconds before it sleeps


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
        """6 per parameter and token, and 12·L·C·T per token for attention, causal mask ignored.

        Biases and gains are left out (below 1 %), the position table too (it is only added).
        Source: Chowdhery et al. 2022, PaLM, arXiv 2204.02311, appendix B.
        """
        matrices = 12 * self.layers * self.embed_dim**2 + self.vocab_size * self.embed_dim
        attention = 12 * self.layers * self.embed_dim * self.context
        return self.tokens_per_step * (6.0 * matrices + attention)


CASES = {
    "A": Case(layers=4, heads=4, embed_dim=128, context=64, batch_size=12, vocab_size=65),
    "B": Case(layers=4, heads=4, embed_dim=128, context=256, batch_size=1, vocab_size=256),
    "C": Case(layers=6, heads=8, embed_dim=256, context=256, batch_size=16, vocab_size=500),
    "D": Case(layers=12, heads=12, embed_dim=768, context=256, batch_size=1, vocab_size=50257),
    "E": Case(layers=1, heads=4, embed_dim=16, context=16, batch_size=1, vocab_size=27),
}


# PyTorch, in its own process: reads a number of steps per line, answers with one line of JSON


def worker(case: Case, threads: int, bias: bool, adamw: str) -> None:
    """Builds the model and trains for as many steps as each line of standard input asks for."""
    import torch

    from nanogpt import GPT, make_optimizer

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    library_bytes = _peak_rss_bytes()
    model = GPT(**_model_sizes(case), bias=bias)
    optimizer = make_optimizer(model, adamw)
    shape = (16, case.batch_size, case.context + 1)
    batches = torch.randint(case.vocab_size, shape)

    count = 0
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            batch = batches[count % len(batches)]
            count += 1
            start = time.perf_counter()
            _, loss = model(batch[:, :-1], batch[:, 1:])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            value = loss.item()
            seconds.append(time.perf_counter() - start)
        answer = {
            "step_ms": 1000 * statistics.median(seconds),
            "loss": value,
            "peak_rss_bytes": _peak_rss_bytes(),
            "library_rss_bytes": library_bytes,
            "torch": torch.__version__,
        }
        print(json.dumps(answer), flush=True)


def _peak_rss_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _model_sizes(case: Case) -> dict[str, int]:
    sizes = asdict(case)
    del sizes["batch_size"]
    return sizes


class TorchProcess:
    """A worker process; it sleeps except while it is asked for steps."""

    def __init__(self, name: str, options: argparse.Namespace, adamw: str) -> None:
        self.adamw = adamw
        command = [sys.executable, __file__, "--worker", adamw, "--config", name]
        command += ["--threads", str(options.threads)]
        if not options.bias:
            command.append("--no-bias")
        environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.run(WARM_UP_STEPS)

    def run(self, steps: int) -> dict:
        """Does that many steps and returns the worker's answer."""
        try:
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SystemExit("the PyTorch process ended early. Its message is above")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process: without input it has nothing more to do."""
        self._process.stdin.close()
        self._process.wait()


def start_fastest(name: str, options: argparse.Namespace) -> tuple[TorchProcess, float]:
    """Tries every implementation of AdamW and returns the fastest, with its step time in ms."""
    best: TorchProcess | None = None
    best_ms = math.inf
    for adamw in ADAMW_KINDS:
        candidate = TorchProcess(name, options, adamw)
        first_ms = candidate.run(SHORTEST_BLOCK)["step_ms"]
        step_ms = candidate.run(block_steps(first_ms, options.block_seconds / 2))["step_ms"]
        if best is None or step_ms < best_ms:
            if best is not None:
                best.close()
            best, best_ms = candidate, step_ms
        else:
            candidate.close()
    return best, best_ms


# mgpt


def run_mgpt(case: Case, steps: int, options: argparse.Namespace) -> dict:
    """Runs `mgpt bench train` for that many steps and returns the object that it prints."""
    command = [str(options.mgpt), "bench", "train", "--family", "gpt2", "--json"]
    for key, value in asdict(case).items():
        command += ["--" + key.replace("_", "-"), str(value)]
    command += ["--steps", str(steps), "--threads", str(options.threads)]
    time.sleep(PAUSE)
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(
            f"mgpt failed with exit code {result.returncode}: {result.stderr.strip()}\n"
            f"The command was: {' '.join(command)}"
        )
    return json.loads(result.stdout)


# The comparison


def block_steps(step_ms: float, seconds: float) -> int:
    """Returns how many steps of that duration fill a block."""
    wanted = math.ceil(1000 * seconds / step_ms)
    return min(max(wanted, SHORTEST_BLOCK), LONGEST_BLOCK)


def compare(name: str, options: argparse.Namespace) -> dict:
    """Measures one configuration and returns its result."""
    case = CASES[name]
    torch_process, torch_ms = start_fastest(name, options)
    torch_steps = block_steps(torch_ms, options.block_seconds)
    try:
        if not options.torch_only:
            first = run_mgpt(case, SHORTEST_BLOCK, options)
            first = run_mgpt(case, block_steps(first["step_ms"], 0.5), options)
            our_steps = block_steps(first["step_ms"], options.block_seconds)
        torch_blocks, our_blocks = [], []
        for number in range(options.rounds):
            if number % 2 == 0:
                torch_blocks.append(torch_process.run(torch_steps))
            if not options.torch_only:
                our_blocks.append(run_mgpt(case, our_steps, options))
            if number % 2 == 1:
                torch_blocks.append(torch_process.run(torch_steps))
    finally:
        torch_process.close()

    result = {
        "config": name,
        "threads": options.threads,
        "bias": options.bias,
        "tokens_per_step": case.tokens_per_step,
        "rounds": options.rounds,
        "torch": _summary(case, torch_blocks)
        | {
            "adamw": torch_process.adamw,
            "version": torch_blocks[0]["torch"],
            "library_rss_bytes": torch_blocks[0]["library_rss_bytes"],
        },
    }
    if our_blocks:
        ratios = [
            theirs["step_ms"] / ours["step_ms"]
            for theirs, ours in zip(torch_blocks, our_blocks, strict=True)
        ]
        result["mgpt"] = _summary(case, our_blocks)
        result["ratio"] = statistics.median(ratios)
        result["ratio_min"], result["ratio_max"] = min(ratios), max(ratios)
    return result


def _summary(case: Case, blocks: list[dict]) -> dict:
    """Returns median and spread over the blocks; each block's figure is itself a median."""
    times = [block["step_ms"] for block in blocks]
    step_ms = statistics.median(times)
    return {
        "step_ms": step_ms,
        "step_ms_min": min(times),
        "step_ms_max": max(times),
        "tokens_per_second": 1000 * case.tokens_per_step / step_ms,
        "gigaflops": case.flops_per_step / step_ms / 1e6,
        "peak_rss_bytes": max(block["peak_rss_bytes"] for block in blocks),
        "loss": blocks[-1]["loss"],
    }


def print_row(result: dict) -> None:
    """Prints one row of the table."""
    cells = [result["config"], str(result["threads"])]
    for side in ("torch", "mgpt"):
        if side not in result:
            cells += ["–", "–", "–"]
            continue
        figures = result[side]
        cells += [
            f"{figures['step_ms']:.4g} ({figures['step_ms_min']:.4g}–{figures['step_ms_max']:.4g})",
            f"{figures['gigaflops']:.1f}",
            f"{figures['peak_rss_bytes'] / 1e6:.0f}",
        ]
    if "ratio" in result:
        cells.append(f"{result['ratio']:.2f} ({result['ratio_min']:.2f}–{result['ratio_max']:.2f})")
    else:
        cells.append("–")
    cells.append(result["torch"]["adamw"])
    print("| " + " | ".join(cells) + " |", flush=True)


def print_heading() -> None:
    """Prints the machine and the heading of the table (Markdown)."""
    print(f"{cpu_name()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}")
    print(f"Commit {commit()}. Time per step in ms: median (smallest–largest block).\n")
    print(
        "| configuration | threads | PyTorch ms | GFLOP/s | MB | mgpt ms | GFLOP/s | MB "
        "| PyTorch / mgpt | AdamW |"
    )
    print("| --- " * 10 + "|", flush=True)


def cpu_name() -> str:
    """Returns the name of the processor as Linux gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """Returns the commit of the tree that this script is in, with "+" if files were changed."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    result = subprocess.run(git, capture_output=True, text=True)
    return result.stdout.strip() or "unknown"


def parse_options() -> argparse.Namespace:
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--config",
        default="A,B,E",
        help="of " + ",".join(CASES) + ", separated by commas (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="(default: all CPUs)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument(
        "--block-seconds",
        type=float,
        default=3.0,
        help="length of one side's turn (default: %(default)s)",
    )
    parser.add_argument(
        "--mgpt",
        type=Path,
        default=Path(".build/release/mgpt"),
        help="our program (default: %(default)s)",
    )
    parser.add_argument(
        "--no-bias",
        dest="bias",
        action="store_false",
        help="PyTorch's model without biases, as nanoGPT's default; mgpt's model keeps them",
    )
    parser.add_argument("--torch-only", action="store_true", help="measure PyTorch alone")
    parser.add_argument("--json", action="store_true", help="one JSON object per configuration")
    parser.add_argument("--worker", choices=ADAMW_KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.names = options.config.split(",")
    for name in options.names:
        if name not in CASES:
            parser.error(f"unknown configuration. Found {name!r}, expected one of {list(CASES)}")
    needs_mgpt = not options.torch_only and options.worker is None
    if needs_mgpt and not os.access(options.mgpt, os.X_OK):
        parser.error(
            f"no program. Found nothing to run at {options.mgpt}, expected mgpt. "
            "Build it (swift build -c release), or give --mgpt PATH or --torch-only"
        )
    return options


def main() -> None:
    """Runs the comparison, or the worker inside its own process."""
    options = parse_options()
    if options.worker:
        worker(CASES[options.names[0]], options.threads, options.bias, options.worker)
        return
    load = os.getloadavg()[0]
    if load > BUSY_LOAD:
        print(
            f"warning: the machine is busy. Found a load average of {load:.1f}, expected at most "
            f"{BUSY_LOAD}. Wait until it is quiet: the figures will be wrong, PyTorch's most",
            file=sys.stderr,
        )
    if not options.json:
        print_heading()
    for name in options.names:
        result = compare(name, options)
        if options.json:
            machine = {"cpu": cpu_name(), "commit": commit(), "load_average_at_start": load}
            print(json.dumps(result | machine), flush=True)
        else:
            print_row(result)


if __name__ == "__main__":
    main()
