"""The machine that figures come from: its name, the commit, its load, and numbers of threads."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

BUSY_LOAD = 0.5  # other programs, averaged over the last minute


def cpu_name() -> str:
    """Returns the name of the processor as Linux gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine_name() -> str:
    """Returns processor, number of CPUs and operating system, for the heading of a table."""
    return f"{cpu_name()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}"


def commit() -> str:
    """Returns the commit of the tree that this script is in, with "+" if files were changed."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    result = subprocess.run(git, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def warn_if_busy() -> float:
    """Returns the load average, with a warning where it spoils what is measured."""
    load = os.getloadavg()[0]
    if load > BUSY_LOAD:
        print(
            f"warning: the machine is busy. Found a load average of {load:.1f}, expected at most "
            f"{BUSY_LOAD}. Wait until it is quiet: the figures will be wrong",
            file=sys.stderr,
        )
    return load


def print_json(result: dict, load: float) -> None:
    """Prints a result as a line of JSON, with the machine and its load at the start."""
    machine = {"cpu": cpu_name(), "commit": commit(), "load_average_at_start": load}
    print(json.dumps(result | machine), flush=True)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Adds the option that `thread_counts` reads."""
    parser.add_argument(
        "--threads", default="", help="one number, or several by commas (default: 1,all CPUs)"
    )


def thread_counts(parser: argparse.ArgumentParser, text: str) -> list[int]:
    """Returns the numbers of threads that --threads asks for, in ascending order."""
    try:
        counts = {int(word) for word in text.split(",")} if text else {1, os.cpu_count()}
    except ValueError:
        counts = set()
    if not counts or min(counts) < 1:
        parser.error(f"no thread counts. Found {text!r}, expected such as 2 or 1,2")
    return sorted(counts)
