"""PyTorch's training steps in a process of their own: the opponent's side of train_step.py.

The parent (worker.py) writes a number of steps per line, the worker does them and answers. Started
as a script it is the worker.
"""

from __future__ import annotations

import contextlib
import json
import math
import resource
import statistics
import sys
import time

from worker import Worker, WorkerFailed

ADAMW_KINDS = ("loop", "foreach", "fused")
# compile: torch.compile of the model, which needs a C++ compiler; bf16: autocast to bfloat16.
MODES = ("eager", "compile", "bf16", "compile+bf16")
WARM_UP_STEPS = 3


class TorchProcess(Worker):
    """A worker process with a model, an optimizer and batches."""

    def __init__(
        self, sizes: dict[str, int], threads: int, bias: bool, adamw: str, mode: str
    ) -> None:
        self.adamw = adamw
        self.mode = mode
        settings = {
            "sizes": sizes, "threads": threads, "bias": bias, "adamw": adamw, "mode": mode
        }
        super().__init__(__file__, settings, {"OMP_NUM_THREADS": str(threads)})
        self.run(WARM_UP_STEPS)

    def run(self, steps: int) -> dict:
        """Does that many steps and returns the worker's answer."""
        return self.ask(str(steps))


def start_fastest(
    sizes: dict[str, int], threads: int, bias: bool, modes: list[str], seconds: float
) -> tuple[TorchProcess, float, dict[str, float | str]]:
    """Returns the fastest worker, its step time, and what each trial came to (ms, or why not).

    Every implementation of AdamW is tried in the first mode that works, then the other modes with
    the best of them. Where no mode works, eager is taken. A trial lasts `seconds` or three steps.
    """
    best: TorchProcess | None = None
    best_ms = math.inf
    trials: dict[str, float | str] = {}

    def attempt(mode: str, adamw: str) -> None:
        nonlocal best, best_ms
        name = f"{mode} {adamw}"
        try:
            candidate = TorchProcess(sizes, threads, bias, adamw, mode)
            first_ms = candidate.run(3)["step_ms"]
            step_ms = candidate.run(max(math.ceil(1000 * seconds / first_ms), 3))["step_ms"]
        except WorkerFailed as error:
            trials[name] = str(error)
            return
        trials[name] = step_ms
        if step_ms < best_ms:
            best, candidate = candidate, best
            best_ms = step_ms
        if candidate is not None:
            candidate.close()

    for mode in [*modes, *([] if "eager" in modes else ["eager"])]:
        if best is None:
            for adamw in ADAMW_KINDS:
                attempt(mode, adamw)
        elif mode in modes:
            attempt(mode, best.adamw)
    if best is None:
        raise SystemExit(f"PyTorch does not run: {trials}")
    return best, best_ms, trials


# The worker


def serve(settings: dict) -> None:
    """Builds the model and trains for as many steps as each line of standard input asks for."""
    import torch

    from nanogpt import GPT, make_optimizer

    sizes = dict(settings["sizes"])
    batch_size = sizes.pop("batch_size")
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(1)
    library_bytes = peak_rss_bytes()
    model = GPT(**sizes, bias=settings["bias"])
    parameters = list(model.parameters())
    optimizer = make_optimizer(model, settings["adamw"])
    forward = torch.compile(model) if "compile" in settings["mode"] else model
    precision = (
        torch.autocast("cpu", dtype=torch.bfloat16)
        if "bf16" in settings["mode"]
        else contextlib.nullcontext()
    )
    batches = torch.randint(sizes["vocab_size"], (16, batch_size, sizes["context"] + 1))

    count = 0
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            batch = batches[count % len(batches)]
            count += 1
            start = time.perf_counter()
            with precision:
                _, loss = forward(batch[:, :-1], batch[:, 1:])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            value = loss.item()
            seconds.append(time.perf_counter() - start)
        answer = {
            "step_ms": 1000 * statistics.median(seconds),
            "loss": value,
            "peak_rss_bytes": peak_rss_bytes(),
            "library_rss_bytes": library_bytes,
            "torch": torch.__version__,
        }
        print(json.dumps(answer), flush=True)


def peak_rss_bytes() -> int:
    """Returns the largest resident memory of this process so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
