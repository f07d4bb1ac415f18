"""What a model learns in a given time: tokenizers and sizes on a text, and names.

    python3 tools/bench/text_models.py --data wikitext2-valid.txt wikitext2-test.txt --out /tmp/runs
    python3 tools/bench/text_models.py --names names.txt --seconds 60 --out /tmp/runs

The time of a step is measured alone (a short `mgpt train`, all threads; --quiet CMD puts a command
in front of it that keeps the machine quiet), and each run then gets as many steps as fit into
--seconds at that speed. The runs themselves may go on beside other work, slowed down by --nice and
with one thread each, because losses depend neither on threads nor on time. Evaluations are not
counted. With --alone the runs, too, go behind --quiet, one by one with all threads.

Results are kept in `--out`, one file per row: what is there is not done again. Validation is the
last tenth of the text, or of names a tenth of the list, drawn by name, with the end token counted.

    --only speed,train,table      --rows PART OF A NAME
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from machine import commit, cpu_name
from mgpt_runs import add_mgpt, check_mgpt, run_mgpt

STEPS = ("speed", "train", "table")
TOKENIZERS = ("char", "byte", "512", "1024", "4096")
BATCH = ["--context", "128", "--batch-size", "16"]
# Width of a model by its wanted number of weights; the layers follow from the vocabulary.
WIDTHS = {1_000_000: 128, 5_000_000: 256}
# Layers and width for the choice of a size by time.
SIZES = ((2, 64), (4, 64), (4, 128), (6, 160), (6, 192), (6, 256))
# What was tried on names: at most 200 K weights; rows of 16 characters, 128 in a step.
NAMES = {
    "no dropout": "--dropout 0",
    "dropout 0.1": "--dropout 0.1",
    "dropout 0.2": "--dropout 0.2",
    "dropout 0.1, 256 rows": "--dropout 0.1 --batch-size 256",
    "dropout 0.1, decay 0.1": "--dropout 0.1 --weight-decay 0.1",
    "dropout 0.1, AdamW": "--dropout 0.1 --optimizer adamw",
}
NAMES_SIZE = "--layers 4 --embed-dim 64 --heads 4"  # 199 K weights


def with_defaults(words: list[str], defaults: dict[str, str]) -> list[str]:
    """The options, and those of the defaults that are not among them."""
    return words + [word for pair in defaults.items() if pair[0] not in words for word in pair]


def shape(layers: int, width: int) -> list[str]:
    """The options of a size, with heads of 32."""
    heads = str(width // 32)
    return ["--layers", str(layers), "--heads", heads, "--embed-dim", str(width)]


@dataclass
class Row:
    """A model of the table: what it is called and the options that make it."""

    name: str
    words: list[str]
    seconds: float

    def file(self, out: Path, kind: str) -> Path:
        """Where its step time or its result is kept."""
        return out / f"{re.sub('[^a-z0-9]+', '-', self.name.lower())}.{kind}.json"


class Bench:
    """The program, the text and the folder of the results."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.program, self.out = options, options.mgpt, options.out
        self.out.mkdir(parents=True, exist_ok=True)
        self.data = options.names or self.out / "text.txt"
        if options.data:
            self.data.write_bytes(b"".join(path.read_bytes() for path in options.data))

    def vocabulary(self, words: list[str]) -> int:
        """How many tokens a tokenizer finds in the text, after the program's plan."""
        words = ["train", "--plan", "--data", self.data, *words, "--layers", 1]
        plan = run_mgpt(self.program, words)
        return int(re.search(r"vocabulary of (\d+)", plan)[1])

    def rows(self) -> list[Row]:
        """The models that are measured."""
        seconds = self.options.seconds
        if self.options.names:
            size = NAMES_SIZE.split()
            rows = {"--batch-size": "128"}
            return [
                Row(f"names {key}", [*size, *with_defaults(words.split(), rows)], seconds)
                for key, words in NAMES.items()
            ]
        found = []
        for name in TOKENIZERS:
            words = ["--bpe", name] if name.isdigit() else ["--tokenizer", name]
            size = self.vocabulary([*words, *BATCH])
            for target, width in WIDTHS.items():
                layers = max(1, round((target - size * width) / (12 * width * width)))
                label = f"bpe {name}" if name.isdigit() else name
                label += f" {target // 1_000_000} M"
                found.append(Row(label, [*words, *shape(layers, width), *BATCH], seconds))
        for layers, width in SIZES:
            words = ["--bpe", "1024", *shape(layers, width), *BATCH]
            for share in (2, 16):
                label = f"size {layers} x {width} {seconds / share:g} s"
                found.append(Row(label, words, seconds / share))
        return found

    def measure(self, row: Row) -> None:
        """The time of a step, on a quiet machine: the median of 12 after 4 others."""
        words = ["train", "--data", self.data, "--out", self.out / "speed", "--force", "--json"]
        words += ["--sample-tokens", 0, "--eval-every", 0, "--steps", 16, "--log-every", 1]
        words += ["--val-fraction", 0.01, *row.words]
        command = [*self.options.quiet.split(), self.program, *words]
        printed = run_mgpt(Path(command[0]), command[1:])
        times = [json.loads(line).get("step_ms") for line in printed.splitlines()]
        times = [time for time in times if time is not None][4:16]
        plan = run_mgpt(self.program, ["train", "--plan", "--data", self.data, *row.words])
        speed = {
            "step_ms": statistics.median(times),
            "tokens_per_step": int(re.search(r"steps of (\d+) tokens", plan)[1]),
            "parameters": re.search(r"([\d.]+ [KM]) parameters", plan)[1],
        }
        row.file(self.out, "speed").write_text(json.dumps(speed) + "\n")

    def train(self, row: Row) -> None:
        """Trains as many steps as fit into the time, with one thread, beside other work."""
        speed = json.loads(row.file(self.out, "speed").read_text())
        steps = max(10, int(row.seconds / (speed["step_ms"] / 1000)))
        folder = row.file(self.out, "run").with_suffix("")
        words = ["train", "--data", self.data, "--out", folder, "--force", "--json"]
        words += ["--sample-tokens", 0, "--eval-every", 0, "--save-every", "1h", "--steps", steps]
        words += ["--seed", self.options.seed, *row.words]
        words += [] if self.options.alone else ["--threads", 1]
        prefix = self.options.quiet.split() if self.options.alone else []
        command = [str(word) for word in [*prefix, self.program, *words]]
        nice = 0 if self.options.alone else self.options.nice
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, preexec_fn=lambda: os.nice(nice)
        )
        if result.returncode != 0:
            sys.exit(f"{' '.join(command)} failed: {result.stderr.strip()}")
        records = [json.loads(line) for line in result.stdout.splitlines()]
        last = [record for record in records if record.get("val_loss") is not None][-1]
        result = {
            "name": row.name, "steps": steps, "step_ms": speed["step_ms"],
            "parameters": speed["parameters"], "tokens_per_step": speed["tokens_per_step"],
            "val_loss": last["val_loss"], "bits_per_byte": last["bits_per_byte"],
            "seconds": row.seconds, "seed": self.options.seed,
            "cpu": cpu_name(), "commit": commit(),
        }
        row.file(self.out, "result").write_text(json.dumps(result) + "\n")
        print(json.dumps(result), file=sys.stderr, flush=True)

    def table(self, rows: list[Row]) -> None:
        """The results as a table."""
        print("| model | weights | ms per step | steps | tokens | nats per token | bits per byte |")
        print("| --- " * 7 + "|")
        for row in rows:
            path = row.file(self.out, "result")
            if not path.exists():
                continue
            r = json.loads(path.read_text())
            tokens = r["steps"] * r["tokens_per_step"]
            print(
                f"| {r['name']} | {r['parameters']} | {r['step_ms']:.1f} | {r['steps']} | "
                f"{tokens / 1e6:.2f} M | {r['val_loss']:.4f} | {r['bits_per_byte']:.4f} |"
            )


def parse_options() -> argparse.Namespace:
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument("--data", type=Path, nargs="+", help="files of a text, put together")
    text.add_argument("--names", type=Path, help="a list of names, one a line")
    add("--out", type=Path, required=True, help="folder of runs and results")
    add("--seconds", type=float, default=120, help="of training (default: %(default)s)")
    add("--quiet", default="", help="command in front of what is timed")
    add("--alone", action="store_true", help="train behind --quiet, one by one")
    add("--nice", type=int, default=10, help="of the runs (default: %(default)s)")
    add("--jobs", type=int, default=os.cpu_count(), help="runs at once (default: all CPUs)")
    add("--only", default=",".join(STEPS), help="by commas (default: %(default)s)")
    add("--rows", default="", help="only rows with this in their names")
    add("--seed", type=int, default=1)
    add_mgpt(parser)
    options = parser.parse_args()
    for path in [*(options.data or []), *([options.names] if options.names else [])]:
        if not path.is_file():
            parser.error(f"no text. Found nothing at {path}")
    if unknown := set(options.only.split(",")) - set(STEPS):
        parser.error(f"unknown step. Found {', '.join(unknown)}, expected {', '.join(STEPS)}")
    check_mgpt(parser, options.mgpt)
    return options


def main() -> None:
    """Runs what was asked for."""
    options = parse_options()
    bench = Bench(options)
    rows = [row for row in bench.rows() if options.rows in row.name]
    wanted = options.only.split(",")
    if "speed" in wanted:
        for row in rows:
            if not row.file(bench.out, "speed").exists():
                bench.measure(row)
    if "train" in wanted:
        missing = [row for row in rows if not row.file(bench.out, "result").exists()]
        with ThreadPoolExecutor(1 if options.alone else options.jobs) as pool:
            list(pool.map(bench.train, missing))
    if "table" in wanted:
        bench.table(rows)


if __name__ == "__main__":
    main()
