"""An opponent in a process of its own, which sleeps while the other side has the machine.

The process is a script of this folder. Its argument is an object of JSON with its settings; to each
line of input it answers with one line of JSON; it ends with its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


class WorkerFailed(Exception):
    """The worker ended instead of answering; the text is the last line that it wrote."""


class Worker:
    """A worker process, started at once."""

    def __init__(
        self, script: str, settings: dict, environment: dict[str, str] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, script, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )

    def ask(self, question: str) -> dict:
        """Writes a line and returns the answer."""
        try:
            self._process.stdin.write(f"{question}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            words = self._process.stderr.read().strip().splitlines()
            self._process.wait()
            raise WorkerFailed(words[-1] if words else "it ended without a word")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process: without input it has nothing more to do."""
        self._process.stdin.close()
        self._process.wait()
