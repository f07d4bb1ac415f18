"""Tokens per second on a Raspberry Pi 5, from the cycles of the hot loops (arm_report.py): one
plain sum of times, every assumption of which is printed with it. Not here: the cycles.

A part of a step takes the longer of two times: its cycles on all cores, or its bytes at the rate of
the memory they fit into. The parts are added: nothing overlaps.
"""

import re
from dataclasses import dataclass

# name: value, unit, where it comes from. What is printed is what is computed with.
ASSUMPTIONS = {
    "clock": (2.4e9, "Hz", "Raspberry Pi 5 product brief; not throttled, governor `performance`"),
    "cores": (4, "", "the same; one thread each, nothing else runs"),
    "dram": (11.5e9, "bytes/s", "LPDDR4X-4267 (the same brief) with 32 bits has 17.1 GB/s at most; "
             "two thirds of it, within the 11 to 12 GB/s that users report as sustained"),
    "l3": (2 << 20, "bytes", "shared third level, the same brief; the 512 KB of second level of each core are not "
           "counted, though a thread's part of a small model may stay there"),
    "l3_rate": (38e9, "bytes/s", "four cores from the third level: 4 bytes per cycle and core; a "
                "guess, measured by nobody"),
    "blocking": (0.88, "", "share of its tile's rate that a whole matrix product keeps (packing, "
                 "c, cache misses): measured 77 to 95 % on Zen 4, README.md, section 1"),
    "streaming": (0.85, "", "share of the rate of reading that decoding keeps: measured 78 to 90 "
                  "% on Zen 4, README.md, section 8, `gpt2` and `xl`"),
    "scaling": (0.92, "", "four threads against four times one; measured 0.95 for two threads on Zen "
                "4 (76 to 72 % of the peak, README.md, section 2, A)"),
    "barrier": (1.5e-6, "s", "handing one operation to four threads and waiting for the last; a "
                "guess, measured by nobody"),
    "operations": (10, "", "operations per layer in forward, each with one barrier; a step has three times as many"),
    "passes": (15, "", "floats read or written per token, layer and width in forward outside "
               "products: two norms with residual sums, rope, activation of 4C"),
    "backward_passes": (2.5, "", "the same of backward, as a multiple of forward"),
    "muon_steps": (5, "", "polynomials of Muon per matrix, each 1.5 products of half or whole size"),
    "vocabulary": (65, "", "tokens, as `mgpt bench` has it; `gpt2` below too"),
}
VALUE = {name: entry[0] for name, entry in ASSUMPTIONS.items()}
PRESET = re.compile(r'preset\("([\w-]+)", \.(\w+), ([\d, ]+)(?:, \.\w+)?\)')
PRESETS = "Sources/MicroGPT/Training/ModelPreset.swift"
# Lanes of a counted instruction: multiply-adds of FMLA, products of SDOT; elements of the others.
FMLA_LANES, SDOT_LANES = 4, 16
BYTES = {"float32": 4.0, "int8": 1.0, "int4": 0.5625}


@dataclass(frozen=True)
class Shape:
    """A model and its batch."""

    name: str
    family: str
    layers: int
    heads: int
    width: int
    context: int
    batch: int

    @property
    def layer_weights(self):
        """Weights of the matrices of a layer: q, k, v, output; up and down of 4C, picogpt's of 2C."""
        return (8 if self.family == "picogpt" else 12) * self.width**2

    @property
    def weights(self):
        """Weights that a token is multiplied with."""
        return self.layers * self.layer_weights + VALUE["vocabulary"] * self.width


def presets(root):
    """The presets of the program, from its source, and the shape of `mgpt bench generate`."""
    text = (root / PRESETS).read_text(encoding="utf-8")
    shapes = [
        Shape(name, family, *(int(n) for n in numbers.split(",")[:5]))
        for name, family, numbers in PRESET.findall(text)]
    return shapes + [Shape("bench generate, tiny", "gpt2", 4, 4, 128, 256, 1)]


class Machine:
    """Times of parts, from cycles by function: {symbol: (cycles, counted instructions)}."""

    def __init__(self, cycles):
        self.cycles = cycles

    def per_cycle(self, symbol, lanes):
        """Multiply-adds per cycle and core in the hot loop of a function."""
        count, instructions = self.cycles[symbol]
        return instructions * lanes / count

    def seconds(self, cycles, share=1.0):
        """Cycles of work on all cores, which keep `share` of the loop's rate."""
        cores = VALUE["cores"] * VALUE["scaling"] * share
        return cycles / (cores * VALUE["clock"])

    def transfer(self, byte_count, footprint):
        """Bytes at the rate of what holds them."""
        rate = VALUE["l3_rate"] if footprint <= VALUE["l3"] else VALUE["dram"]
        return byte_count / rate

    def product(self, products, symbol, lanes):
        """A packed matrix product."""
        return self.seconds(products / self.per_cycle(symbol, lanes), VALUE["blocking"])

    def attention(self, shape, tokens, backward):
        """Causal attention of `tokens` tokens: two products forward, five backward, of T/2 keys."""
        products = tokens * shape.layers * shape.context * shape.width  # forward: 2 C T/2
        rate = self.per_cycle("product_add", FMLA_LANES)
        exponentials = tokens * shape.layers * shape.heads * shape.context / 2
        each = self.cycles["softmax_f32"][0] / FMLA_LANES
        if backward:  # of the whole step: seven products for two, each exponential twice
            products, exponentials = 3.5 * products, 2 * exponentials
        return self.seconds(products / rate + exponentials * each)

    def elementwise(self, shape, tokens, backward):
        """Norms, rope, activation, residual sums: bound by memory."""
        floats = VALUE["passes"] * (1 + (VALUE["backward_passes"] if backward else 0))
        byte_count = 4 * floats * shape.width * shape.layers * tokens
        return self.transfer(byte_count, 4 * tokens * shape.width * 2)

    def update(self, shape):
        """The optimizer: Muon on the matrices of `modern`, AdamW elsewhere (seven floats each)."""
        if shape.family != "modern":
            cycles = shape.weights * self.cycles["adamw_f32"][0] / FMLA_LANES
            return max(self.seconds(cycles), 28 * shape.weights / VALUE["dram"])
        # X X^T and its square have half the products, their sum times X all: n = C, m = C or 4C.
        cube = sum(1.5 * m + 0.5 for m in [1, 1, 1, 1, 4, 4]) * shape.width**3
        products = VALUE["muon_steps"] * shape.layers * cube
        return (self.product(products, "gemm_block_f32", FMLA_LANES)
                + 5 * 4 * shape.weights / VALUE["dram"])

    def barriers(self, shape, times):
        """Waiting for the last thread of each operation."""
        return VALUE["barrier"] * times * (VALUE["operations"] * shape.layers + 2)

    def training_step(self, shape):
        """Seconds of one step: products forward, and two of each backward."""
        tokens = shape.batch * shape.context
        return (self.product(3 * tokens * shape.weights, "gemm_block_f32", FMLA_LANES)
                + self.attention(shape, tokens, True) + self.elementwise(shape, tokens, True)
                + self.update(shape) + self.barriers(shape, 3))

    def prefill(self, shape, weight_format):
        """Seconds of one prompt as long as the context."""
        symbol, lanes = {
            "float32": ("gemm_block_f32", FMLA_LANES),
            "int8": ("gemm_block_q8", SDOT_LANES),
            "int4": ("gemm_block_q8b", SDOT_LANES),
        }[weight_format]
        tokens = shape.context
        return (self.product(tokens * shape.weights, symbol, lanes)
                + self.attention(shape, tokens, False) + self.elementwise(shape, tokens, False)
                + self.barriers(shape, 1))

    def decode(self, shape, weight_format):
        """Seconds of a token with half the context in a float32 cache: reading, or multiplying."""
        symbol, lanes = {
            "float32": ("vector_one", FMLA_LANES), "int8": ("q8_row_one_group", SDOT_LANES),
            "int4": ("q4_block_one_group", SDOT_LANES)}[weight_format]
        cache = 8 * shape.layers * shape.width * shape.context / 2
        byte_count = BYTES[weight_format] * shape.weights + cache
        reading = self.transfer(byte_count, byte_count) / VALUE["streaming"]
        multiplying = self.seconds(shape.weights / self.per_cycle(symbol, lanes))
        return max(reading, multiplying) + self.barriers(shape, 1)


def figure(value):
    """Two significant digits: more would promise too much."""
    rounded = float(f"{value:.1e}")
    if rounded >= 10:
        return f"{rounded:.0f}"
    return f"{rounded:.1f}" if rounded >= 1 else f"{rounded:g}"


INTRODUCTION = """## Predicted for a Raspberry Pi 5

Tokens per second with four threads, in float32 where no other format is named. Two digits: the sum
below leaves out more than that. Sizes are those of the presets (`mgpt bench train --preset NAME`),
the vocabulary has 65 tokens in all of them; training with the family's own optimizer. Memory is not
looked at: the largest ones don't fit.

"""
COLUMNS = ["preset", "weights", "step, ms", "training", "prefill float32", "int8", "int4",
           "decode float32", "int8", "int4"]

ARITHMETIC = """
A part takes the longer of its cycles on all cores and its bytes; parts are added. Products: the
tile's rate times *blocking*. Attention: causal, half of T keys each, two products forward and five
backward, an exponential per pair, twice in a step. Backward has twice the products of forward.
Decoding: half the context in a float32 cache; weights and cache come from the third level if both
fit there. Prefill: a prompt as long as the context, the head for every token. What a Pi shows first
to be wrong is probably *l3 rate*, *barrier* and, in training, *passes*. The cache behaviour is
that of products and of decoding as measured on Zen 4 (*blocking*, *streaming*), not of a Pi.
"""


def section(root, cycles):
    """The predictions as Markdown."""
    machine = Machine(cycles)
    heading = "| " + " | ".join(COLUMNS) + " |\n"
    lines = [INTRODUCTION + heading + "| --- " * len(COLUMNS) + "|"]
    for shape in presets(root):
        step = machine.training_step(shape)
        cells = [shape.name, f"{shape.weights / 1e6:.3g} M", figure(step * 1e3)]
        cells.append(figure(shape.batch * shape.context / step))
        cells += [figure(shape.context / machine.prefill(shape, f)) for f in BYTES]
        cells += [figure(1 / machine.decode(shape, f)) for f in BYTES]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "The figures of `mgpt bench --report`, by the names of its JSON:", "", "```"]
    lines += [f"{name:36} {figure(value):>9}" for name, value in report_figures(root, machine)]
    lines += ["```", "", "Assumed (`ASSUMPTIONS` of `tools/arm_predict.py`):", ""]
    lines += ["| | value | from |", "| --- | --- | --- |"]
    for name, (value, unit, source) in ASSUMPTIONS.items():
        shown = f"{value:g} {unit}".strip()
        lines.append(f"| {name.replace('_', ' ')} | {shown} | {source} |")
    return "\n".join(lines) + "\n" + ARITHMETIC


def report_figures(root, machine):
    """What `mgpt bench --report` measures, by its names (ReportFigure)."""
    shapes = {shape.name: shape for shape in presets(root)}
    rate = VALUE["clock"] * VALUE["cores"]
    peak = 2 * machine.per_cycle("fma_peak_f32", FMLA_LANES) * rate
    yield "fma_peak_gflops", peak / 1e9
    yield "int8_peak_gops", 2 * machine.per_cycle("dot_peak_q8", SDOT_LANES) * rate / 1e9
    yield "read_gb_per_second", VALUE["dram"] / 1e9
    for name in ("micro", "small"):
        step = machine.training_step(shapes[name])
        yield f"train_{name}_step_ms", step * 1e3
        yield f"train_{name}_tokens_per_second", shapes[name].batch * shapes[name].context / step
    tiny = shapes["bench generate, tiny"]
    for name, short in (("float32", "f32"), ("int8", "int8"), ("int4", "int4")):
        yield f"prefill_{short}_tokens_per_second", tiny.context / machine.prefill(tiny, name)
        yield f"decode_{short}_tokens_per_second", 1 / machine.decode(tiny, name)


def self_test(root):
    """The presets are found, and a machine with round numbers gives sums made by hand."""
    faults = []
    names = [shape.name for shape in presets(root)]
    if not {"tiny", "micro", "small", "gpt2"} <= set(names):
        faults.append(f"presets in {PRESETS}: found {names}, expected tiny, micro, small and gpt2.")
    machine = Machine({"gemm_block_f32": (12.0, 24)})
    seconds = machine.product(8 * 2.4e9 * 4, "gemm_block_f32", FMLA_LANES)
    expected = 1 / (VALUE["scaling"] * VALUE["blocking"])
    if abs(seconds - expected) > 1e-9:
        faults.append(f"a second of products: found {seconds} s, expected {expected} s.")
    shown = {1234.5: "1200", 0.456: "0.46", 9.96: "10", 0.0161: "0.016", 153.6: "150", 8.23: "8.2"}
    for value, text in shown.items():
        if figure(value) != text:
            faults.append(f"figure({value}): found {figure(value)}, expected {text}.")
    return faults
