"""Times prefill and decoding of llama.cpp and of mgpt, alternately, and prints the ratio.

    python tools/bench/generate.py --shape tiny,gpt2,xl --threads 1,2 --folder /tmp/shapes

Both have the same random weights in the shape of GPT-2, written by `mgpt bench generate --keep`: in
a checkpoint of ours and in GGUF, float32 and, made from it by each program's own quantiser, int8 in
blocks of 32 (Q8_0), int8 with a scale per row (held against Q8_0 too), and 4 bits in blocks of 32
(Q4_0). Prompts are random tokens, decoding is greedy, with the same numbers of tokens at the same
places of the context; it begins after one token, as llama-bench does, or after --decode-after.

llama.cpp has its defaults (repacked weights, cache of keys and values in float16, flash attention
where it chooses it) and is timed by its own counters, inside llama_decode; the choice of the next
token, which ours includes, is left out. It lives in one process per format and number of threads,
which sleeps while others run. mgpt is a process per turn. A turn is some prefills and decodings;
all sides take turns, the order changing every round. A result is the median over the rounds of the
ratio within a round, so slow drifts of the machine cancel.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import shutil
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llama_runs import LlamaProcess
from machine import add_threads, commit, machine_name, print_json, thread_counts, warn_if_busy
from mgpt_runs import add_mgpt, check_mgpt, measure_mgpt, run_mgpt
from worker import WorkerFailed

SEED = 1


@dataclass(frozen=True)
class Shape:
    """What is asked of a preset of `mgpt bench generate`."""

    prompt: int
    decoded: int


SHAPES = {
    "tiny": Shape(prompt=256, decoded=128),
    "gpt2": Shape(prompt=512, decoded=32),
    "xl": Shape(prompt=512, decoded=32),
    "500m": Shape(prompt=512, decoded=16),
}
# Our format and llama.cpp's that it is held against.
OPPONENTS = {"f32": "f32", "int8": "q8_0", "int8-block": "q8_0", "int4": "q4_0"}
# Of issue 4: at least so many times as fast, by shape, threads and what is measured.
BARS = {
    ("tiny", "decode"): {"f32": 4, "int8": 4, "int8-block": 4, "int4": 4},
    ("tiny", "prefill"): {"f32": 3, "int8": 3, "int8-block": 3, "int4": 3},
    ("large", "decode"): {"int8": 1.3, "int8-block": 1.3, "int4": 1.4},  # on two threads
    ("large", "prefill"): {"f32": 1.4, "int8": 2.5, "int8-block": 2.5},
}


def bar(shape: str, threads: int, what: str, ours: str) -> float | None:
    """Returns the ratio that issue 4 asks for, or None if it asks for none."""
    size = shape if shape == "tiny" else "large"
    if (size, what, threads) == ("large", "decode", 1):
        return None
    return BARS[size, what].get(ours)


# Files


# llama.cpp's names -> Hugging Face's, which our files of this family have.
MGPT_NAMES = {
    "token_embd": "wte", "position_embd": "wpe", "output_norm": "ln_f", "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
}  # fmt: skip


def read_checkpoint(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Returns configuration and weights of our checkpoint: llama.cpp's names, (out, in)."""
    data = np.memmap(path, np.uint8, "r")
    length = struct.unpack("<Q", data[:8].tobytes())[0]
    header = json.loads(data[8 : 8 + length].tobytes())
    configuration = json.loads(header.pop("__metadata__")["configuration"])
    names = {theirs: ours for ours, theirs in MGPT_NAMES.items()}
    weights = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = data[begin:end].view("<f4").reshape(entry["shape"])
        *block, kind = name.split(".")
        number = block[1] if block[0] == "h" else None
        module = names[".".join(block[2:] if number else block)]
        # Hugging Face's "Conv1D" matrices are (in, out).
        is_turned = number is not None and values.ndim == 2
        prefix = f"blk.{number}." if number else ""
        weights[f"{prefix}{module}.{kind}"] = (
            np.ascontiguousarray(values.T) if is_turned else values
        )
    return configuration, weights


def write_gguf(path: Path, source: Path) -> None:
    """Writes the weights of a checkpoint for llama.cpp, in float32 and without a tokenizer."""
    import gguf

    configuration, weights = read_checkpoint(source)
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_block_count(configuration["layers"])
    writer.add_context_length(configuration["context_length"])
    writer.add_embedding_length(configuration["embed_dim"])
    writer.add_feed_forward_length(configuration["hidden_dim"])
    writer.add_head_count(configuration["heads"])
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(configuration["vocabulary_size"])
    writer.add_tokenizer_model("no_vocab")
    for name, values in weights.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_gguf(source: Path, target: Path, kind: str, pure: bool) -> None:
    """Quantises a GGUF file with llama.cpp, as its llama-quantize does."""
    import llama_cpp as library

    parameters = library.llama_model_quantize_default_params()
    parameters.ftype = {"q8_0": library.LLAMA_FTYPE_MOSTLY_Q8_0,
                        "q4_0": library.LLAMA_FTYPE_MOSTLY_Q4_0}[kind]  # fmt: skip
    parameters.pure = pure
    quiet = library.llama_log_callback(lambda _level, _text, _data: None)
    library.llama_log_set(quiet, None)
    code = library.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
    if code != 0:
        raise SystemExit(f"llama.cpp can't quantise {source} to {kind}: code {code}")


def complete(path: Path, make: Callable[[Path], None]) -> None:
    """Makes a file under another name and renames it: what has its name is whole."""
    other = path.with_name(f"{path.name}.part")
    make(other)
    other.rename(path)


class Files:
    """The models of one shape in all formats, made once and kept in a folder."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self._folder = options.folder / name
        wanted = {"f32", *options.formats}
        if not all(self.mgpt(kind).exists() for kind in wanted):
            formats = [word for kind in sorted(wanted) for word in ("--format", kind)]
            work = ["--runs", 1, "--prompt-tokens", 1, "--max-tokens", 1]
            words = ["bench", "generate", "--preset", name, *formats, "--keep", self._folder]
            run_mgpt(options.mgpt, [*words, *work])
        if options.mgpt_only:
            return
        source = self.llama("f32")
        if not source.exists():
            complete(source, lambda path: write_gguf(path, self.mgpt("f32")))
        for kind in {OPPONENTS[ours] for ours in options.formats} - {"f32"}:
            target = self.llama(kind)
            if not target.exists():
                complete(
                    target, lambda path, kind=kind: make_gguf(source, path, kind, options.pure)
                )

    def mgpt(self, kind: str) -> Path:
        """Our file of that format."""
        return self._folder / f"{kind}.safetensors"

    def llama(self, kind: str) -> Path:
        """llama.cpp's file of that format."""
        return self._folder / f"{kind}.gguf"


# Measuring


class Mgpt:
    """`mgpt bench generate` with one file on one number of threads; a process per turn."""

    def __init__(self, path: Path, shape: Shape, threads: int, options: argparse.Namespace) -> None:
        self._program = options.mgpt
        self._words = [
            "bench", "generate", "--model", path, "--prompt-tokens", shape.prompt,
            "--max-tokens", shape.decoded, "--decode-after", options.decode_after,
            "--threads", threads, "--runs", options.runs, "--json", *options.mgpt_options,
        ]  # fmt: skip
        self.turns: list[dict] = []

    def turn(self) -> None:
        """Does one turn."""
        answer = measure_mgpt(self._program, self._words)
        self.turns.append(answer["results"][0])

    def close(self) -> None:
        """Nothing is open."""


class Llama:
    """llama.cpp with one file on one number of threads."""

    def __init__(self, path: Path, shape: Shape, threads: int, options: argparse.Namespace) -> None:
        settings = {
            "path": str(path), "threads": threads, "seed": SEED, "prompt_tokens": shape.prompt,
            "decode_after": options.decode_after, "decoded": shape.decoded,
        }  # fmt: skip
        self._process = LlamaProcess(settings)
        self._options = options
        self.turns: list[dict] = []

    def turn(self) -> None:
        """Does one turn: runs until there are enough and they lasted as long as ours at least."""
        answers = []
        begun = time.perf_counter()
        while len(answers) < self._options.runs or time.perf_counter() - begun < 1:
            answers.append(self._process.run())
        self.turns.append({
            key: statistics.median(answer[key] for answer in answers) for key in answers[0]
        })

    def close(self) -> None:
        """Ends the process."""
        self._process.close()


def compare(name: str, threads: int, options: argparse.Namespace) -> list[dict]:
    """Measures all formats of one shape; returns a result for each format."""
    shape, files = SHAPES[name], Files(name, options)
    if options.prepare_only:
        return []
    ours: dict[str, Mgpt] = {}
    theirs: dict[str, Llama] = {}
    try:
        for kind in options.formats:
            opponent = OPPONENTS[kind]
            if not options.mgpt_only and opponent not in theirs:
                theirs[opponent] = Llama(files.llama(opponent), shape, threads, options)
            if not options.llama_only:
                ours[kind] = Mgpt(files.mgpt(kind), shape, threads, options)
        sides = [*ours.values(), *theirs.values()]
        for number in range(options.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                side.turn()
    except WorkerFailed as error:
        raise SystemExit(f"llama.cpp failed: {error}") from error
    finally:
        for side in theirs.values():
            side.close()
    results = []
    for kind in options.formats:
        result = {"shape": name, "threads": threads, "format": kind, "rounds": options.rounds}
        if kind in ours:
            result["mgpt"] = medians(ours[kind].turns)
        if OPPONENTS[kind] in theirs:
            result["llama"] = medians(theirs[OPPONENTS[kind]].turns)
            result["llama_format"] = OPPONENTS[kind]
        for what in ("decode", "prefill"):
            if "mgpt" in result and "llama" in result:
                result[what] = ratios(what, ours[kind].turns, theirs[OPPONENTS[kind]].turns)
                result[what]["bar"] = bar(name, threads, what, kind)
        if "decode" in result:
            result["decode"]["reading_ratio"] = reading_ratio(
                ours[kind].turns, theirs[OPPONENTS[kind]].turns
            )
        results.append(result)
    return results


def medians(turns: list[dict]) -> dict:
    """Returns the medians over the turns of every number."""
    return {
        key: statistics.median(turn[key] for turn in turns)
        for key, value in turns[0].items()
        if isinstance(value, int | float)
    }


def ratios(what: str, ours: list[dict], theirs: list[dict]) -> dict:
    """Returns our speed over llama.cpp's: median, smallest and largest of the rounds."""
    key = f"{what}_tokens_per_second"
    found = [mine[key] / other[key] for mine, other in zip(ours, theirs, strict=True)]
    return {"ratio": statistics.median(found), "ratio_min": min(found), "ratio_max": max(found)}


def reading_ratio(ours: list[dict], theirs: list[dict]) -> float:
    """Returns what the ratio of decoding would be if ours did nothing but read its bytes."""
    return statistics.median(
        mine["read_gb_per_second"] * 1e9 / mine["bytes_per_token"]
        / other["decode_tokens_per_second"]
        for mine, other in zip(ours, theirs, strict=True)
    )


# Output

HEADINGS = (
    "shape", "threads", "format", "llama.cpp", "decode: mgpt", "llama.cpp", "ratio", "bar",
    "of reading", "reading alone", "prefill: mgpt", "llama.cpp", "ratio", "bar", "MB: file", "resident",
)  # fmt: skip


def print_row(result: dict) -> None:
    """Prints one row of the table."""
    ours, theirs = result.get("mgpt"), result.get("llama")
    cells = [
        result["shape"], str(result["threads"]), result["format"],
        result.get("llama_format", "–").upper(),
    ]  # fmt: skip
    for what in ("decode", "prefill"):
        key = f"{what}_tokens_per_second"
        cells += [f"{side[key]:.4g}" if side else "–" for side in (ours, theirs)]
        figures = result.get(what)
        cells.append(
            "{ratio:.2f} ({ratio_min:.2f}–{ratio_max:.2f})".format(**figures) if figures else "–"
        )
        limit = figures["bar"] if figures else None
        cells.append(f"{limit}" if limit else "–")
        if what == "decode":
            cells.append(f"{100 * ours['share_of_bandwidth']:.0f} %" if ours else "–")
            # A cache holds the weights of the smallest, and memory is not the limit.
            is_limit = figures and result["shape"] != "tiny"
            cells.append(f"{figures['reading_ratio']:.2f}" if is_limit else "–")
    for key in ("file_bytes", "peak_rss_bytes"):
        cells.append(f"{ours[key] / 1e6:.0f}" if ours else "–")
    print("| " + " | ".join(cells) + " |", flush=True)


def print_heading(options: argparse.Namespace) -> None:
    """Prints the machine and the heading of the table (Markdown)."""
    print(machine_name())
    print(f"Commit {commit()}; mgpt with {' '.join(options.mgpt_options) or 'defaults'};")
    print(f"llama.cpp {llama_description()}.")
    print(f"Prompts of {', '.join(f'{SHAPES[n].prompt} ({n})' for n in options.shapes)} tokens;")
    print(f"decoding begins after {options.decode_after}. Tokens per second, medians; ratio: mgpt")
    print("over llama.cpp, median (smallest–largest round); bar: of issue 4; of reading: bytes that")
    print("decoding reads over the speed of reading memory in the same runs; reading alone: the")
    print("ratio that nothing but reading these bytes would have.\n")
    print("| " + " | ".join(HEADINGS) + " |")
    print("| --- " * len(HEADINGS) + "|", flush=True)


def llama_description() -> str:
    """Returns version and instruction sets of llama.cpp."""
    try:
        import llama_cpp
    except ImportError:
        return "not installed"
    features = llama_cpp.llama_print_system_info().decode().replace("CPU : ", "")
    names = [part.split("=")[0].strip() for part in features.split("|") if "= 1" in part]
    return f"(llama-cpp-python {llama_cpp.__version__}: {' '.join(names)})"


# Command line


def parse_options() -> argparse.Namespace:
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    names = ",".join(SHAPES)
    add("--shape", default="tiny,gpt2,xl", help=f"of {names} (default: %(default)s)")
    add("--format", default="f32,int8,int8-block,int4", help="ours (default: %(default)s)")
    add_threads(parser)
    add("--rounds", type=int, default=3, help="(default: %(default)s)")
    add("--runs", type=int, default=3, help="of a side in its turn (default: %(default)s)")
    add("--decode-after", type=int, default=1, help="tokens (default: %(default)s)")
    add_mgpt(parser)
    add("--kv-cache", help="mgpt's; llama.cpp's is float16")
    add("--folder", type=Path, help="where models are kept for the next time (default: nowhere)")
    add(
        "--pure",
        action="store_true",
        help="llama.cpp's head in Q4_0 too; its own choice for Q4_0 is Q6_K",
    )
    add("--prepare-only", action="store_true", help="make the models in --folder and end")
    add("--llama-only", action="store_true", help="measure llama.cpp alone")
    add("--mgpt-only", action="store_true", help="measure mgpt alone")
    add("--json", action="store_true", help="one JSON object per row")
    options = parser.parse_args()
    options.shapes = checked(parser, "--shape", options.shape, SHAPES)
    options.formats = checked(parser, "--format", options.format, OPPONENTS)
    options.thread_counts = thread_counts(parser, options.threads)
    if not 1 <= options.decode_after <= min(SHAPES[name].prompt for name in options.shapes):
        parser.error("--decode-after is out of range. Expected 1 to the length of the prompts")
    options.mgpt_options = ["--kv-cache", options.kv_cache] if options.kv_cache else []
    if not options.llama_only:
        check_mgpt(parser, options.mgpt, " or --llama-only")
    return options


def checked(
    parser: argparse.ArgumentParser, option: str, text: str, known: dict[str, object]
) -> list[str]:
    """Returns the names in a list, which must be known."""
    names = text.split(",")
    for name in names:
        if name not in known:
            parser.error(f"unknown {option}. Found {name!r}, expected one of {list(known)}")
    return names


def main() -> None:
    """Runs the comparison."""
    options = parse_options()
    load = warn_if_busy()
    temporary = None if options.folder else tempfile.mkdtemp(prefix="mgpt-generate-")
    options.folder = options.folder or Path(temporary)
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        if not options.json and not options.prepare_only:
            print_heading(options)
        for name in options.shapes:
            for threads in options.thread_counts:
                for result in compare(name, threads, options):
                    if options.json:
                        print_json(result, load)
                    else:
                        print_row(result)
    finally:
        if temporary:
            shutil.rmtree(temporary)


if __name__ == "__main__":
    main()
