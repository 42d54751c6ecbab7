"""The set that the doctor is measured with: decoders broken on purpose, what each must be called, and healthy ones."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import stim
import yaml

from bridge.decoders import find_decoder
from bridge.doctor import Diagnosis, Examination, LongerMemory, examine
from bridge.problem import DecodingProblem, decoding_problem
from hdl.compile.decoder import compile_decoder
from hdl.compile.graph import BOUNDARY, DecodingGraph
from hdl.compile.manifest import MANIFEST_NAME, DecoderFolder
from hdl.compile.skeleton import new_decoder
from hdl.compile.unionfind_fabric import UnionFindOptions
from qtwin.problems import MemoryChoice, pose
from tests.bridge.ailing import HERE, ailing_bytes, ailing_decoder, ailing_skeleton, edited, fall_ill

NOISE = "uniform:0.005"
SURFACE = MemoryChoice(noise=NOISE)
REPETITION = MemoryChoice(code="repetition", noise=NOISE)
BRIEF = Examination(shots=4096, order_shots=1000, paced_shots=2000, endurance_s=6.0, accuracy_s=1.5, call_limit_s=15.0)
"""Enough for all of the set; what takes tens of thousands of shots shows in the endurance run."""
Memory = tuple[Mapping[str, Any], DecodingProblem]
Patients = tuple[DecoderFolder, Memory]
NO_AILMENT = ("edited core", "edited files", "manifest", "skeleton stream")
"""Bases that have their one mutation built in."""
BLIND = "core: sees the final syndrome alone"


@dataclass(frozen=True)
class Mutant:
    """A broken decoder.

    Attributes:
        base: what it is a mutation of.
        ailment: name of the mutation.
        kind: which of the doctor's promises it tries.
        names: patterns; a diagnosis that one of them matches names it rightly, or a warning for what is no illness.
    """

    base: str
    ailment: str
    kind: str
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """Base and ailment."""
        return f"{self.base}: {self.ailment}"

    def is_named_by(self, diagnosis: Diagnosis) -> bool:
        """Whether the doctor gave it a right name."""
        found = (*diagnosis.diagnoses, *(diagnosis.warnings if self.kind == TEXT else ()))
        return any(re.search(name, each) for name in self.names for each in found)


NUMBER, LEAK, ORDER = "depends on the number", "state that leaks", "bits and rounds"
DEAF, FEW, WORSE, ANSWER = "does not heed", "few events", "accuracy", "answers"
STREAM, TAGS, CLOCK, RESET, START = "stream", "tags and counts", "latency", "reset and faults", "initial values"
DEADLOCK, SIMULATION, REGISTERS, SYNDROME = "deadlock", "loops, crashes", "registers", "corrections"
OBSERVABLE, LONG, TEXT = "one of two observables", "longer memories", "warnings of the text"

IN_CORE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "constant": (ANSWER, ("^constant output$",)),
    "constant 1": (ANSWER, ("^constant output$",)),
    "inverted": (ANSWER, ("^answers inverted$",)),
    "one shot late": (LEAK, ("^answers belong to the shot before$",)),
    "adds the shot before": (LEAK, ("^state leaks",)),
    "leaks a layer": (LEAK, ("^state leaks",)),
    "leaks a bit": (LEAK, ("^state leaks",)),
    "upset by a crowd": (LEAK, ("^state leaks",)),
    "counts events": (LEAK, ("^state leaks", "^answers depend on the shots before")),
    "every other shot": (NUMBER, ("depend on the shot's number",)),
    "one shot in 997": (NUMBER, ("depend on the shot's number",)),
    "wrong after 40,000 shots": (NUMBER, ("depend on the shot's number",)),
    "reversed bits": (ORDER, ("^bit order reversed$",)),
    "rotated bits": (ORDER, ("^bits one place",)),
    "one round late": (ORDER, ("^off by one round: it sees each round one too late$",)),
    "two detectors exchanged": (ORDER, ("^detectors 7 and 8 exchanged",)),
    "two stabilizers exchanged": (ORDER, ("^stabilizers 1 and 3 exchanged in all layers$",)),
    "three stabilizers rotated": (ORDER, ("^stabilizers 1, 3 and 4 rotated in all layers$",)),
    "a stabilizer inverted": (ORDER, ("^events of stabilizer 3 inverted in all layers$",)),
    "all events inverted": (ORDER, ("^all events inverted$",)),
    "a detector inverted": (ORDER, (r"^detector \d+ inverted$",)),
    "blind to the last layer": (DEAF, ("does not heed layer 3$",)),
    "blind to the first layer": (DEAF, ("does not heed layer 0$",)),
    "blind to a layer between": (DEAF, ("^it does not heed layer 1$",)),
    "deaf to a detector": (DEAF, ("^does not heed detector",)),
    "a detector stuck at 1": (DEAF, ("^does not heed detector",)),
    "misled by a detector": (WORSE, ("^answers inverted when detector 7 fires$",)),
    "not in a crowd": (FEW, ("^right only for few events$",)),
    "wrong for four events": (FEW, ("^wrong for shots of 4 events$",)),
    "nothing for three events": (FEW, ("^wrong for shots of 3 events$",)),
    "follows one detector in a crowd": (FEW, ("^right only for few events$",)),
    "wrong after a pause": (LEAK, ("^wrong after 3,000 idle cycles$",)),
    "an unset register after 5,000 shots": (START, ("^uninitialised registers reach the answers$",)),
    "a cycle of noise": (ANSWER, ("depend on", "does not bear gaps", "does not honour backpressure", "state leaks")),
    "noise that no reset clears": (RESET, ("^a reset does not clear it$", "does not bear gaps", "backpressure")),
    "slow": (CLOCK, ("^misses the deadline$",)),
    "rarely slow": (CLOCK, ("^misses the deadline$",)),
    "slow for a crowd": (CLOCK, ("^misses the deadline$",)),
    "stops after 10,000 shots": (DEADLOCK, ("^stops answering$",)),
    "stops after 65,536 shots": (DEADLOCK, ("^stops answering$",)),
    "stops in a crowd": (DEADLOCK, ("^stops answering$",)),
}
IN_STREAM: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "reversed payloads": (ORDER, ("^bit order",)),
    "reversed readout": (ORDER, ("^bit order of MEAS_DATA reversed$",)),
    "bytes swapped": (ORDER, ("^bytes of the payload words swapped$",)),
    "two bits of the readout exchanged": (ORDER, ("^bits 2 and 6 of MEAS_DATA exchanged$",)),
    "two bits of the syndrome exchanged": (ORDER, ("^bits 0 and 1 of SYNDROME exchanged$",)),
    "drops a shot in a thousand": (TAGS, ("^drops shots$",)),
    "answers twice": (TAGS, ("^answers a shot twice$",)),
    "wrong tags": (TAGS, ("^wrong tags$",)),
    "tags of 15 bits": (TAGS, ("^wrong tags$",)),
    "garbage": (STREAM, ("^answers are not qds1$",)),
    "silent": (STREAM, ("^never answers$",)),
    "never ready": (STREAM, ("^never takes a word$",)),
    "sends without end": (
        STREAM,
        ("^sends without end$", "^answers are not qds1$", "^wrong tags$", "^answers a shot twice$"),
    ),
    "no room for two": (STREAM, ("^loses answers with more than 1 shot in flight$", "^does not honour backpressure$")),
    "withdraws valid": (STREAM, ("^m_axis_tvalid falls before the word is taken$",)),
    "changes data": (STREAM, ("^m_axis_tdata changes before the word is taken$",)),
    "ignores backpressure": (STREAM, ("^does not honour backpressure$",)),
    "valid waits for ready": (STREAM, ("^m_axis_tvalid waits for m_axis_tready$",)),
    "valid follows ready": (STREAM, ("^m_axis depends on m_axis_tready within a cycle$",)),
    "data follows ready": (STREAM, ("^m_axis depends on m_axis_tready within a cycle$",)),
    "changes in mid-cycle": (STREAM, ("^outputs change in mid-cycle$",)),
    "ignores reset": (RESET, ("^a reset does not clear it$",)),
    "stuck after a fault": (RESET, ("^no recovery after a fault$",)),
    "untrue latency": (CLOCK, ("^the latency field is untrue$",)),
    "latency lies rarely": (CLOCK, ("^the latency field is untrue$",)),
    "latency lies under load": (CLOCK, ("^the latency field is untrue$",)),
    "latency lies when idle": (CLOCK, ("^the latency field is untrue$",)),
    "latency is a constant": (CLOCK, ("^the latency field is untrue$",)),
    "registers do not answer": (REGISTERS, ("^registers do not answer$",)),
    "wrong identity": (REGISTERS, ("^wrong ID$",)),
    "wrong version": (REGISTERS, ("^wrong VERSION$",)),
    "wrong graph": (REGISTERS, ("^wrong GRAPH_HASH$",)),
}
OF_TWO_OBSERVABLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "the last observable is constant": (OBSERVABLE, ("^observable 1 is not decoded$",)),
    "the last observable is inverted": (OBSERVABLE, ("^observable 1 inverted$",)),
    "the last observable is the first": (OBSERVABLE, ("^observable 1 is not decoded$",)),
    "observables in reversed order": (OBSERVABLE, ("^observables in reversed order$",)),
}
IN_WINDOWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "forgets late layers": (LONG, ("^wrong only for a longer memory",)),
}
OF_UNION_FIND = (
    "constant", "inverted", "adds the shot before", "leaks a bit", "every other shot", "one shot in 997",
    "reversed bits", "one round late", "two detectors exchanged", "blind to the last layer",
    "deaf to a detector", "not in a crowd",
    "rarely slow", "stops after 10,000 shots", "no room for two",
)  # fmt: skip
LAYERS_AND_PAIRS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "core: two layers exchanged": (ORDER, ("^layers 1 and 2 exchanged$",)),
    "core: layers rotated": (ORDER, ("^layers rotated by 1: ",)),
    "core: every fourth pair across layers is left out": (
        WORSE,
        ("^single errors decoded wrongly$", "^does not know errors"),
    ),
    "core: measurement errors are not matched": (WORSE, ("^does not know errors of its graph$",)),
}
IN_FOUR_ROUNDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **LAYERS_AND_PAIRS,
    "core: an error is left out": (WORSE, ("^single errors decoded wrongly$",)),
}
IN_SKELETON: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "core: stops after quiet shots": (DEADLOCK, ("^stops after quiet shots$",)),
    "core: every other shot": (NUMBER, ("depend on the shot's number",)),
    "core: rarely slow": (CLOCK, ("^misses the deadline$",)),
    "core: two detectors exchanged": (ORDER, ("^detectors 7 and 8 exchanged",)),
    "core: detectors of two layers exchanged": (ORDER, ("^detectors 3 and 20 exchanged",)),
    "core: two stabilizers exchanged": (ORDER, ("^stabilizers . and . exchanged in all layers$",)),
    "core: layers reversed": (ORDER, ("^rounds in reversed order$",)),
    "core: all events inverted": (ORDER, ("^all events inverted$",)),
    **LAYERS_AND_PAIRS,
    "core: events shifted": (ORDER, ("^bits one place", "^does not heed", "^much worse", "^does not decode")),
    "core: misses the last event": (DEAF, ("^does not heed detector",)),
    "core: flips stay": (LEAK, ("^state leaks", "^a reset does not clear it$")),
    "core: reads its input late": (
        NUMBER,
        ("^answers depend on the next shot$", "^answers are spoiled", "^much worse", "^does not decode"),
    ),
    "core: no more than two pairs": (FEW, ("^right only for few events$",)),
    "core: never the boundary": (WORSE, ("^much worse than PyMatching$", "^does not decode$", "^constant output$")),
    "core: only the boundary": (WORSE, ("^much worse than PyMatching$", "^does not decode$")),
    "core: stops walking early": (WORSE, ("^much worse than PyMatching$", "^does not decode$", "^does not heed")),
    "core: starts in mid-list": (WORSE, ("^much worse than PyMatching$", "^does not decode$", "^does not heed")),
    "core: stops in a crowd": (DEADLOCK, ("^stops answering$",)),
    "core: one shot late": (LEAK, ("^answers belong to the shot before$",)),
    "core: constant 1": (ANSWER, ("^constant output$",)),
    "core: inverted": (ANSWER, ("^answers inverted$",)),
    "core: stops the simulation": (SIMULATION, ("^the simulation ends$",)),
    "core: crashes": (SIMULATION, ("^the simulation ends$",)),
}
IN_ADAPTER: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "adapter: or for xor": (SYNDROME, ("^corrections that do not annihilate",)),
    "adapter: qubits reversed": (SYNDROME, ("^corrections that do not annihilate",)),
    "adapter: a qubit is never corrected": (SYNDROME, ("^corrections that do not annihilate",)),
    "adapter: a qubit more": (SYNDROME, ("^corrections that do not annihilate",)),
    "adapter: constant": (ANSWER, ("^constant output$",)),
    "adapter: answers too early": (DEADLOCK, ("^stops answering$",)),
    "adapter: half a walk": (SYNDROME, ("^corrections that do not annihilate",)),
    "adapter: the correction stays": (LEAK, ("^state leaks", "^a reset does not clear it$")),
    "adapter: does not wait": (
        STREAM,
        (
            "^stops answering$",
            "^drops shots$",
            "^does not honour backpressure$",
            "^loses answers",
            "^never answers$",
            "falls before",
        ),
    ),
    "adapter: ignores the reset": (RESET, ("^a reset does not clear it$", "^uninitialised registers")),
}
IN_BYTES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "bytes: bits reversed": (ORDER, ("^bit order reversed$", "^stabilizers 0 and 1 exchanged", "^rounds in reversed")),
    "bytes: stabilizers exchanged": (ORDER, ("^stabilizers 0 and 1 exchanged", "^bit order reversed$")),
    "bytes: blind to a layer": (DEAF, ("does not heed layer 3",)),
    "bytes: takes the next too early": (
        NUMBER,
        ("^loses answers with more than 1", "^stops answering$", "^answers are spoiled", "in flight"),
    ),
    "bytes: never ready": (STREAM, ("^never takes a word$",)),
    "bytes: silent": (STREAM, ("^never answers$",)),
    "bytes: stops after 3,000 shots": (DEADLOCK, ("^stops answering$",)),
    "bytes: withdraws valid": (STREAM, ("^out_valid falls before the word is taken$",)),
    "bytes: changes data": (STREAM, ("^out_data changes before the word is taken$",)),
    "bytes: constant": (ANSWER, ("^constant output$",)),
    "bytes: inverted": (ANSWER, ("^answers inverted$",)),
    "bytes: every third shot": (NUMBER, ("depend on the shot's number",)),
    "bytes: one shot late": (LEAK, ("^answers belong to the shot before$",)),
    "bytes: adds what was": (LEAK, ("^state leaks",)),
    "bytes: an unset register": (START, ("^uninitialised registers reach the answers$", "^X in m_axis_tdata$")),
    "bytes: ignores the reset": (RESET, ("^a reset does not clear it$",)),
    "bytes: one bit inverted": (ORDER, (r"^detector \d+ inverted$",)),
    "bytes: valid waits for ready": (STREAM, ("^out_valid waits for out_ready$",)),
    "bytes: wrong after a pause": (LEAK, ("^wrong after 3,000 idle cycles$",)),
}

OF_MANIFESTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "its reset is active high, not low": (RESET, ("^wrong polarity of the reset$",)),
    "a queue of four answers, 16 shots under way": (STREAM, ("^loses answers with more than 4 shots in flight$",)),
}
"""What a manifest says wrongly of a healthy decoder."""

OF_OWN_STREAM: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "all bytes inverted": (ORDER, ("^all events inverted$",)),
}
STREAM_EDITS = {"ShotBits'({in_data,": "ShotBits'({~in_data,"}
"""Of the skeleton's stream_decoder.sv, for the one mutation of `OF_OWN_STREAM`."""

RESULT = "  assign result_flips_o = result_flips_q;"
EDITED_FILES: Mapping[str, tuple[str, Mapping[str, Mapping[str, str]], tuple[str, ...]]] = {
    "a result that had to wait inverts the next": (
        STREAM,
        {
            "decoder_core.sv": {
                RESULT: "  logic waited_q, flip_q;\n  always_ff @(posedge clk_i) begin\n"
                "    if (!rst_ni) {waited_q, flip_q} <= '0;\n"
                "    else if (result_valid_q && !result_ready_i) waited_q <= 1'b1;\n"
                "    else if (result_valid_q) {waited_q, flip_q} <= {1'b0, result_flips_q[0] && waited_q};\n  end\n"
                "  assign result_flips_o = result_flips_q ^ flip_q;"
            }
        },
        ("^does not honour backpressure$",),
    ),
    "a register that is read inverts the next answer": (
        REGISTERS,
        {
            "decoder_core.sv": {
                "cfg_rdata_o\n": "cfg_rdata_o,\n    input logic read_i\n",
                RESULT: "  logic read_q;\n  always_ff @(posedge clk_i)\n"
                "    if (!rst_ni || (result_valid_q && result_ready_i)) read_q <= read_i;\n"
                "    else if (read_i) read_q <= 1'b1;\n  assign result_flips_o = result_flips_q ^ read_q;",
            },
            "rtl/decoder_top.sv": {
                ".cfg_rdata_o(cfg_rdata)": ".cfg_rdata_o(cfg_rdata), .read_i(s_axil_rvalid && s_axil_rready)"
            },
        },
        ("^a register that is read changes an answer$",),
    ),
}
"""Edits of the files around the skeleton's decode.sv, by file."""

EDITED: Mapping[str, tuple[str, Mapping[str, str], tuple[str, ...]]] = {
    "a register that is never reset": (
        START,
        {
            "  assign flips_o = hit": "  logic mem_q;\n  always_ff @(posedge clk_i) if (done_o) mem_q <= mem_q;\n"
            "  assign flips_o = NumFlips'(mem_q) ^ (hit",
            "flips_q ^ chain : flips_q;": "flips_q ^ chain : flips_q);",
        },
        ("^uninitialised registers reach the answers$", "^X in m_axis_tdata$"),
    ),
    "a memory that is read before it is written": (
        START,
        {
            "  assign flips_o = hit": "  logic mem_q [0:255];\n  logic [7:0] at_q;\n"
            "  always_ff @(posedge clk_i) begin\n    if (!rst_ni) at_q <= '0;\n"
            "    else if (done_o) at_q <= at_q + 1'b1;\n"
            "    if (done_o) mem_q[at_q] <= 1'b0;\n  end\n  assign flips_o = NumFlips'(mem_q[at_q]) ^ (hit",
            "flips_q ^ chain : flips_q;": "flips_q ^ chain : flips_q);",
        },
        ("^uninitialised registers reach the answers$", "^X in m_axis_tdata$"),
    ),
    "a flag that only some shot clears": (
        START,
        {
            "  assign flips_o = hit": "  logic fresh_q;\n"
            "  always_ff @(posedge clk_i) if (start_i && events_i == '0) fresh_q <= 1'b0;\n"
            "  assign flips_o = NumFlips'(fresh_q) ^ (hit",
            "flips_q ^ chain : flips_q;": "flips_q ^ chain : flips_q);",
        },
        ("^uninitialised registers reach the answers$", "^X in m_axis_tdata$"),
    ),
    "an X for a case that is left out": (
        START,
        {
            "  assign flips_o = hit": "  logic [1:0] saw_q, spare;\n"
            "  always_ff @(posedge clk_i) if (start_i) saw_q <= events_i[1:0];\n  always_comb begin\n"
            "    case (saw_q)\n      2'b00: spare = 2'b00;\n      2'b01: spare = 2'b00;\n      2'b10: spare = 2'b00;\n"
            "      default: spare = 'x;\n    endcase\n  end\n  assign flips_o = NumFlips'(spare[0]) ^ (hit",
            "flips_q ^ chain : flips_q;": "flips_q ^ chain : flips_q);",
        },
        ("^uninitialised registers reach the answers$", "^X in m_axis_tdata$"),
    ),
    "a reset that is taken for one of the other level": (
        RESET,
        {"    if (!rst_ni) busy_q": "    if (rst_ni) busy_q"},
        ("^never answers$",),
    ),
    "a combinational loop that does not settle": (
        SIMULATION,
        {
            "  assign flips_o = hit": "  logic a, b;\n  assign a = !(b && busy_q && left_q[3]);\n  assign b = a;\n"
            "  assign flips_o = NumFlips'(a && !b) ^ (hit",
            "flips_q ^ chain : flips_q;": "flips_q ^ chain : flips_q);",
        },
        ("^combinational loop$",),
    ),
    "a loop that never ends": (
        SIMULATION,
        {
            "  assign flips_o = hit": "  logic [7:0] count;\n  always_comb begin\n    count = '0;\n"
            "    while (busy_q && left_q[3] && count < 8'd200) count = count + (left_q[6] ? 8'd0 : 8'd1);\n  end\n"
            "  assign flips_o = NumFlips'(count == 8'd255) ^ (hit",
            "flips_q ^ chain : flips_q;": "flips_q ^ chain : flips_q);",
        },
        ("^the simulation does not come back$", "^combinational loop$"),
    ),
    "a select out of range": (
        TEXT,
        {"  assign flips_o = hit": "  logic far;\n  assign far = left_q[27];\n"
         "  assign flips_o = far && !busy_q ? '0 : hit"},
        ("^warnings of its RTL: .*SELRANGE",),
    ),
    "a latch": (
        TEXT,
        {"  assign flips_o = hit": "  logic [NumFlips-1:0] kept;\n  always_comb if (busy_q) kept = flips_q;\n"
         "  assign flips_o = kept != flips_q && !busy_q ? kept : hit"},
        ("^warnings of its RTL: .*LATCH",),
    ),
    "a register of two processes": (
        TEXT,
        {"  assign flips_o = hit": "  always_ff @(negedge clk_i) if (!rst_ni) index_q[0] <= 1'b0;\n"
         "  assign flips_o = hit"},
        ("^warnings of its RTL: .*MULTIDRIVEN",),
    ),
    "a width that is cut off": (
        TEXT,
        {"  assign flips_o = hit": "  logic [2:0] few;\n  assign few = left_q;\n"
         "  assign flips_o = few == 3'd7 && !busy_q ? '0 : hit"},
        ("^warnings of its RTL: .*WIDTHTRUNC",),
    ),
}  # fmt: skip
"""Mutations of the skeleton's decode.sv that each take a build of their own."""


def mutants() -> list[Mutant]:
    """All of them."""
    tables = [
        ("table", {**IN_CORE, **IN_STREAM}),
        ("union-find", {name: {**IN_CORE, **IN_STREAM}[name] for name in OF_UNION_FIND}),
        ("table, two observables", OF_TWO_OBSERVABLES),
        ("union-find in windows", IN_WINDOWS),
        ("skeleton core", IN_SKELETON),
        ("skeleton adapter", IN_ADAPTER),
        ("skeleton core, 4 rounds in basis X", IN_FOUR_ROUNDS),
        ("byte stream", IN_BYTES),
        ("skeleton stream", OF_OWN_STREAM),
        ("manifest", OF_MANIFESTS),
    ]
    found = [Mutant(base, name, *entry) for base, table in tables for name, entry in table.items()]
    found += [Mutant("edited core", name, kind, names) for name, (kind, _, names) in EDITED.items()]
    return found + [Mutant("edited files", name, kind, names) for name, (kind, _, names) in EDITED_FILES.items()]


def early_end(text: str) -> str:
    """The skeleton's decode.sv with the edit of docs/bring-your-own-decoder.md."""
    return edited(text, {"  assign last = ": "  assign last = left_q == '0 || "})


class Ward:
    """Makes the decoders of the set in a folder, each once.

    Attributes:
        healthy: name of a healthy decoder -> makes it, with its memory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[tuple[str, Examination], Diagnosis] = {}
        self.healthy: Mapping[str, Callable[[], Patients]] = {
            "table": lambda: self._compiled("table", SURFACE),
            "union-find": lambda: self._compiled("union-find", SURFACE),
            "union-find:3": lambda: self._compiled("union-find:3", SURFACE),
            "union-find in windows": lambda: self._compiled("union-find:window=2,commit=1", SURFACE),
            "union-find, repetition d=5": lambda: self._compiled("union-find", REPETITION_5),
            "table, surface d=3 in basis X": lambda: self._compiled("table", SURFACE_X),
            "table, two observables": lambda: self.patient(Mutant("table, two observables", "", "", ())),
            "skeleton core": lambda: self._skeleton("core", SURFACE),
            "skeleton core, early end": lambda: self._skeleton("core", SURFACE, early_end),
            "skeleton core, repetition d=5": lambda: self._skeleton("core", REPETITION_5),
            "skeleton adapter": lambda: self._skeleton("adapter", SURFACE),
            "sees the final syndrome alone": lambda: self.patient(Mutant("skeleton core", BLIND, "", ())),
            **{f"skeleton {style}, {told}": partial(self._skeleton, style, choice) for style, told, choice in MEMORIES},
            **{f"skeleton core, {name}": partial(self._modest, change) for name, change in MODEST.items()},
            "union-find without weights": partial(self._level_union_find, SURFACE),
            "union-find without weights, repetition d=5": partial(self._level_union_find, REPETITION_5),
            **{name: partial(self._healthy_stream, name) for name in HEALTHY_STREAMS},
        }

    def examine(self, mutant: Mutant, settings: Examination = BRIEF) -> Diagnosis:
        """What the doctor says of a mutant; asked again, it says the same."""
        if (mutant.title, settings) not in self._found:
            self._found[mutant.title, settings] = self._examine(mutant, settings)
        return self._found[mutant.title, settings]

    def _examine(self, mutant: Mutant, settings: Examination) -> Diagnosis:
        decoder, (session, problem) = self.patient(mutant)
        longer = LongerMemory(decoder, posed(LONG_SURFACE)[1]) if mutant.kind == LONG else None
        with fall_ill(None if mutant.base in NO_AILMENT else mutant.ailment):
            return examine(decoder, problem, session, settings, longer=longer)

    def examine_healthy(self, name: str, settings: Examination = BRIEF) -> Diagnosis:
        """What the doctor says of a healthy decoder."""
        decoder, (session, problem) = self.healthy[name]()
        longer = LongerMemory(decoder, posed(LONG_SURFACE)[1]) if name == "union-find in windows" else None
        with fall_ill(BLIND if name == "sees the final syndrome alone" else None):
            return examine(decoder, problem, session, settings, longer=longer)

    def patient(self, mutant: Mutant) -> Patients:
        """The decoder of a mutant, and its memory."""
        base, folder = mutant.base, self._folder / re.sub(r"[^a-z]+", "-", mutant.base)
        if base == "edited core":
            return self._skeleton("core", SURFACE, lambda text: edited(text, EDITED[mutant.ailment][1]))
        if base == "edited files":
            decoder, memory = self._skeleton("core", SURFACE)
            for name, edits in EDITED_FILES[mutant.ailment][1].items():
                file = decoder.file(name)
                file.write_text(edited(file.read_text(), edits))
            return decoder, memory
        if base == "skeleton stream":
            decoder, memory = self._skeleton("stream", SURFACE)
            file = decoder.file("stream_decoder.sv")
            file.write_text(edited(file.read_text(), STREAM_EDITS))
            return decoder, memory
        if base == "manifest":
            _, problem = posed(REPETITION)
            entry = WRONG_STREAMS[mutant.ailment]
            return _once(
                folder := self._folder / str(entry["top"]), lambda: _write_stream(folder, problem, entry)
            ), posed(REPETITION)
        if base == "byte stream":
            memory = posed(REPETITION)
            order = byte_order(memory[1])
            return _once(folder, lambda: ailing_bytes(memory[1], folder, {"detectors": order})), memory
        memory = two_observables() if base == "table, two observables" else posed(SURFACE)
        if base.startswith("skeleton"):
            memory = posed(SURFACE_4X) if base.endswith("4 rounds in basis X") else memory
            style = base.split()[1].strip(",")
            return _once(folder, lambda: ailing_skeleton(*memory, folder, style=style)), memory
        core = "table" if base.startswith("table") else "union-find"
        options = UnionFindOptions(window=2, commit=1) if base == "union-find in windows" else None
        return _once(folder, lambda: ailing_decoder(memory[1], folder, core=core, options=options)), memory

    def _compiled(self, name: str, choice: MemoryChoice) -> Patients:
        found = find_decoder(name, posed(choice)[1]).folder
        assert found is not None
        return found, posed(choice)

    def _skeleton(self, style: str, choice: MemoryChoice, change: Callable[[str], str] = lambda text: text) -> Patients:
        session, problem = posed(choice)
        folder = self._folder / f"skeleton{len(list(self._folder.glob('skeleton*')))}"
        decoder = new_decoder(session, str(problem.error_model), problem.graph, folder, name="mine", style=style)
        file = decoder.file("decode.sv")
        file.write_text(change(file.read_text()))
        return decoder, (session, problem)

    def _modest(self, change: Callable[[DecodingGraph], DecodingGraph]) -> Patients:
        """The skeleton with the list of pairs of another graph."""
        decoder, memory = self._skeleton("core", SURFACE)
        folder = self._folder / f"pairs{len(list(self._folder.glob('pairs*')))}"
        other = new_decoder(memory[0], str(memory[1].error_model), change(memory[1].graph), folder)
        for name in ("pair_pkg.sv", "pair_list.sv"):
            decoder.file(name).write_text(other.file(name).read_text())
        return decoder, memory

    def _level_union_find(self, choice: MemoryChoice) -> Patients:
        """Union-find that takes all edges to be equally likely."""
        session, problem = posed(choice)
        level = equally_likely(problem)
        folder = self._folder / f"level{len(list(self._folder.glob('level*')))}"
        compile_decoder(level, problem.layout, folder, core="union-find")
        return DecoderFolder(folder), (session, problem)

    def _healthy_stream(self, name: str) -> Patients:
        _, problem = posed(REPETITION)
        folder = self._folder / f"healthy-{re.sub(r'[^a-z0-9]+', '-', name)}"
        return _once(folder, lambda: _write_stream(folder, problem, HEALTHY_STREAMS[name])), posed(REPETITION)


def _once(folder: Path, make: Callable[[], DecoderFolder]) -> DecoderFolder:
    return DecoderFolder(folder) if folder.exists() else make()


@cache
def posed(choice: MemoryChoice) -> Memory:
    """A memory's session and problem."""
    return pose(choice)


@cache
def two_observables() -> Memory:
    """The repetition code d=3 with the value of data qubit 0 as a second observable.

    Both ends of the code differ by the product of all stabilizers, so an error flips the second observable where it
    flips the first one or sets off an odd number of detectors, but not both.
    """
    session, problem = posed(REPETITION)
    (observable,) = session["observables"]
    other = {**observable, "index": 1, "data_qubits": [0]}
    assert observable["data_qubits"] != other["data_qubits"]
    lines = []
    for line in str(problem.error_model.flattened()).splitlines():
        head, _, targets = line.partition(") ")
        if not line.startswith("error"):
            lines.append(line)
            continue
        parts = []
        for part in targets.split(" ^ "):
            odd = sum(target.startswith("D") for target in part.split()) % 2 != ("L0" in part.split())
            parts.append(f"{part} L1" if odd else part)
        lines.append(f"{head}) {' ^ '.join(parts)}")
    changed = {**session, "observables": [observable, other]}
    return changed, decoding_problem(changed, "\n".join(lines))


LONG_SURFACE = MemoryChoice(rounds=9, noise=NOISE)
REPETITION_5 = MemoryChoice(code="repetition", distance=5, rounds=3, noise=NOISE)
SURFACE_X = MemoryChoice(basis="X", noise=NOISE)


SURFACE_4X = MemoryChoice(rounds=4, basis="X", noise="uniform:0.006")
MEMORIES = (
    ("core", "4 rounds in basis X", SURFACE_4X),
    ("core", "4 rounds", MemoryChoice(rounds=4, noise=NOISE)),
    ("core", "5 rounds", MemoryChoice(rounds=5, noise=NOISE)),
    ("core", "6 rounds", MemoryChoice(rounds=6, noise=NOISE)),
    ("stream", "4 rounds in basis X", SURFACE_4X),
    ("adapter", "5 rounds, noise of a device", MemoryChoice(rounds=5)),
)
"""Other memories for which the skeletons are healthy: style, in words, memory."""


def level(graph: DecodingGraph) -> DecodingGraph:
    """All errors equally likely."""
    return replace(graph, edge_probability=np.full(graph.num_edges, 0.01))


def equally_likely(problem: DecodingProblem) -> stim.DetectorErrorModel:
    """An error model with one error for each edge of the graph, all of one probability."""
    graph, model = problem.graph, stim.DetectorErrorModel()
    for instruction in problem.error_model.flattened():
        if instruction.type == "detector":
            model.append(instruction)
    for u, v, flips in zip(graph.edge_u, graph.edge_v, graph.edge_observables.tolist(), strict=True):
        ends = [graph.vertex_detector[end] for end in (u, v) if end != BOUNDARY]
        targets = [stim.target_relative_detector_id(int(end)) for end in ends]
        observables = [k for k in range(graph.num_observables) if flips >> k & 1]
        targets += [stim.target_logical_observable_id(k) for k in observables]
        model.append("error", 0.01, targets)
    return model


def straight(graph: DecodingGraph) -> DecodingGraph:
    """Without the errors that join two stabilizers in different layers."""
    bits, layers = graph.layout.detector_bit[graph.vertex_detector], graph.vertex_layer
    u, v = graph.edge_u, np.where(graph.edge_v == BOUNDARY, graph.edge_u, graph.edge_v)
    kept = (bits[u] == bits[v]) | (layers[u] == layers[v])
    fields = ("edge_u", "edge_v", "edge_observables", "edge_probability")
    return replace(graph, **{name: getattr(graph, name)[kept] for name in fields})


def coarse(graph: DecodingGraph) -> DecodingGraph:
    """Weights of three bits."""
    step = graph.edge_weight.max() / 7
    weights = np.maximum(1, np.round(graph.edge_weight / step)) * step
    return replace(graph, edge_probability=1 / (1 + np.exp(weights)))


MODEST: Mapping[str, Callable[[DecodingGraph], DecodingGraph]] = {
    "no weights": level,
    "no diagonal edges": straight,
    "no weights, no diagonal edges": lambda graph: level(straight(graph)),
    "weights of three bits": coarse,
}
"""Healthy decoders of modest accuracy: greedy matching on a graph that is not quite the right one."""


def byte_order(problem: DecodingProblem) -> list[int]:
    """Stabilizer 1 from layer 3 down to 0, then stabilizer 0: what the byte decoder's input bits are."""
    place = {
        (int(bit), int(layer)): detector
        for detector, (bit, layer) in enumerate(
            zip(problem.layout.detector_bit, problem.layout.detector_layer, strict=True)
        )
    }
    return [place[bit, layer] for bit in (1, 0) for layer in (3, 2, 1, 0)]


HEALTHY_STREAMS: Mapping[str, Mapping[str, Any]] = {
    "byte stream": {"top": "ailing_bytes", "stream": {}},
    "a time stamp in the answer": {
        "top": "stamped",
        "stream": {"shot_words": 1, "answer_words": 2, "answer_prefix": 1},
    },
    "a pipeline of 1,100 cycles": {"top": "pipeline", "stream": {"shot_words": 1, "answer_words": 1, "in_flight": 64}},
    "an answer of 250 words": {
        "top": "talker",
        "stream": {"word_bits": 32, "shot_words": 1, "answer_words": 250, "answer_prefix": 249},
    },
    "a combinational table": {
        "top": "combinational",
        "stream": {"shot_words": 1, "answer_words": 1, "has_valid": False, "has_ready": False, "latency": 0},
    },
    "an answer that is never held": {
        "top": "unstallable", "stream": {"shot_words": 1, "answer_words": 1, "has_ready": "in", "in_flight": 1},
    },
    "ready only with valid": {"top": "polite", "stream": {"shot_words": 1, "answer_words": 1}},
    "a queue of four answers": {"top": "queue", "stream": {"shot_words": 1, "answer_words": 1, "in_flight": 4}},
}  # fmt: skip
"""Manifests of healthy decoders with a stream of their own, for the repetition code d=3; their RTL is healthy.sv."""

WRONG_STREAMS: Mapping[str, Mapping[str, Any]] = {
    "its reset is active high, not low": {
        "top": "polite", "stream": {"shot_words": 1, "answer_words": 1, "ports": {"reset_active": "low"}},
    },
    "a queue of four answers, 16 shots under way": {
        "top": "queue", "stream": {"shot_words": 1, "answer_words": 1, "in_flight": 16},
    },
}  # fmt: skip
"""The same with a manifest that is wrong."""


def _write_stream(folder: Path, problem: DecodingProblem, entry: Mapping[str, Any]) -> DecoderFolder:
    stream = {"detectors": byte_order(problem), **entry["stream"]}
    if entry["top"] == "ailing_bytes":
        return ailing_bytes(problem, folder, stream)
    folder.mkdir()
    (folder / "healthy.sv").write_text((HERE / "healthy.sv").read_text())
    manifest = {
        "name": entry["top"],
        "protocol": "stream/1",
        "top": entry["top"],
        "sources": ["healthy.sv"],
        "num_stabilizers": 2,
        "num_data_qubits": 3,
        "num_observables": 1,
        "rounds": 3,
        "graph_hash": problem.graph.graph_hash,
        "stream": {"word_bits": 8, **stream},
    }
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump(manifest))
    return DecoderFolder(folder)
