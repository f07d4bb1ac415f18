"""Runs of our program, and the options of the scripts that choose and set it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

PAUSE = 0.1  # seconds; libgomp of the other side spins for a few milliseconds before it sleeps


def run_mgpt(program: Path, words: list[object]) -> str:
    """Runs our program; returns what it printed."""
    command = [str(program), *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(
            f"mgpt failed with exit code {result.returncode}: {result.stderr.strip()}\n"
            f"The command was: {' '.join(command)}"
        )
    return result.stdout


def measure_mgpt(program: Path, words: list[object]) -> dict:
    """Runs our program when the other side's threads have gone to sleep; returns its object."""
    time.sleep(PAUSE)
    return json.loads(run_mgpt(program, words))


def add_mgpt(parser: argparse.ArgumentParser) -> None:
    """Adds the option that names our program."""
    path = Path(".build/release/mgpt")
    parser.add_argument("--mgpt", type=Path, default=path, help="our program")


def check_mgpt(parser: argparse.ArgumentParser, program: Path, otherwise: str = "") -> None:
    """Checks that our program is there; `otherwise` ends the advice."""
    if not os.access(program, os.X_OK):
        parser.error(
            f"no program. Found nothing to run at {program}, expected mgpt. "
            f"Build it (swift build -c release), or give --mgpt PATH{otherwise}"
        )


def training_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[str]:
    """Returns --precision and --optimizer for our program, as far as given; it must know them."""
    words = []
    for name in ("precision", "optimizer"):
        value = getattr(options, name)
        if value is None:
            continue
        known = run_mgpt(options.mgpt, ["bench", "train", "--help"])
        if f"--{name} " not in known:
            parser.error(f"{options.mgpt} has no option --{name} in bench train. Leave it out")
        words += [f"--{name}", value]
    return words
