"""llama.cpp's prefill and decoding in a process of their own: the opponent's side of generate.py.

The parent (worker.py) writes one line per run, the worker prefills and decodes and answers. Started
as a script it is the worker. Time is what llama.cpp's own counters say (llama_perf_context): from
the beginning of llama_decode to its last result, nothing of Python.
"""

from __future__ import annotations

import ctypes
import json
import resource
import sys

import numpy as np

from worker import Worker


class LlamaProcess(Worker):
    """A worker process with a loaded model."""

    def __init__(self, settings: dict) -> None:
        super().__init__(__file__, settings)
        self.run()  # warm-up: page faults, buffers, graphs

    def run(self) -> dict:
        """Does one prefill and one decoding; returns the worker's answer."""
        return self.ask("run")


# The worker


class Session:
    """A model and a context of llama.cpp, with its defaults but for sizes and threads."""

    def __init__(self, library, settings: dict) -> None:
        self._library = library
        parameters = library.llama_model_default_params()
        self._model = library.llama_model_load_from_file(settings["path"].encode(), parameters)
        if not self._model:
            raise SystemExit(f"llama.cpp can't load {settings['path']}")
        self._vocabulary = library.llama_vocab_n_tokens(library.llama_model_get_vocab(self._model))
        random = np.random.default_rng(settings["seed"])
        self._prompt = random.integers(self._vocabulary, size=settings["prompt_tokens"]).tolist()
        parameters = library.llama_context_default_params()
        parameters.n_ctx = library.llama_model_n_ctx_train(self._model)
        parameters.n_batch = parameters.n_ubatch = len(self._prompt)
        parameters.n_threads = parameters.n_threads_batch = settings["threads"]
        parameters.no_perf = False
        self._context = library.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise SystemExit("llama.cpp can't make a context")

    def prefill(self, count: int) -> tuple[int, float]:
        """Begins anew with that many tokens; returns the next token and milliseconds."""
        library = self._library
        library.llama_memory_clear(library.llama_get_memory(self._context), True)
        library.llama_perf_context_reset(self._context)
        token = self._advance((library.llama_token * count)(*self._prompt[:count]), count)
        return token, library.llama_perf_context(self._context).t_p_eval_ms

    def decode(self, token: int, count: int) -> float:
        """Goes on greedily for that many tokens; returns milliseconds."""
        library = self._library
        one = (library.llama_token * 1)()
        library.llama_perf_context_reset(self._context)
        for _ in range(count):
            one[0] = token
            token = self._advance(one, 1)
        counters = library.llama_perf_context(self._context)
        if counters.n_eval != count:
            raise SystemExit(f"llama.cpp counted {counters.n_eval} tokens, expected {count}")
        return counters.t_eval_ms

    def _advance(self, tokens: ctypes.Array, count: int) -> int:
        library = self._library
        if library.llama_decode(self._context, library.llama_batch_get_one(tokens, count)) != 0:
            raise SystemExit("llama_decode failed")
        library.llama_synchronize(self._context)
        logits = library.llama_get_logits_ith(self._context, -1)
        return int(np.argmax(np.ctypeslib.as_array(logits, shape=(self._vocabulary,))))


def serve(settings: dict) -> None:
    """Loads the model and does a run for each line of standard input."""
    import llama_cpp as library

    quiet = library.llama_log_callback(lambda _level, _text, _data: None)
    library.llama_log_set(quiet, None)
    session = Session(library, settings)
    for _ in sys.stdin:
        token, prefill_ms = session.prefill(settings["prompt_tokens"])
        if settings["decode_after"] != settings["prompt_tokens"]:
            token = session.prefill(settings["decode_after"])[0]
        decode_ms = session.decode(token, settings["decoded"])
        answer = {
            "prefill_tokens_per_second": 1000 * settings["prompt_tokens"] / prefill_ms,
            "decode_tokens_per_second": 1000 * settings["decoded"] / decode_ms,
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
