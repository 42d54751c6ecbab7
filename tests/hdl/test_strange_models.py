"""Error models that no code makes, and files that are none: refused with the reason, or compiled into clean RTL."""

from pathlib import Path

import pytest
import stim

from hdl.build import verilator_environment
from hdl.compile.decoder import compile_decoder
from hdl.compile.layout import events_layout, read_error_model
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.errors import ErrorModelError, ToolMissingError
from hdl.lint import lint
from tests.hdl.test_unionfind_rtl import all_syndromes, check_core
from tests.hdl.unionfind_codes import graph_of

LINE = "error(0.1) D0 L0\nerror(0.1) D0 D1\n"
ODD = """
    error(0.1) D0 D1 L0
    error(0.05) D1 D2
    error(0.02) D2 D0 L1
    error(0.1) D4 D9 L1
    error(0.01) D4 D9
    error(0.5) D9 D11
    error(0.04) D12 L0
    error(0.003) D12
    error(0.03) D12 D12 D13
    error(0.02) D13 D12 ^ D4
    error(0) D1 D4 D9
    error(0.2) D14 D15
"""
"""A loop without boundary that flips two observables, a tree without boundary, edges that disagree, a boundary that is
crossed in two ways, a pair that cancels, a separated error, a detector that nothing sets off, one part without an
observable."""
LINTED = {
    "odd": ODD,
    "a single detector": "error(0.1) D0 L0",
    "no boundary": "error(0.1) D0 D1 L0\nerror(0.1) D1 D2\nerror(0.1) D2 D0",
    "layers": "detector(0, 0) D0\nrepeat 3 {\nerror(0.1) D0 D1\nerror(0.05) D1 L0\nshift_detectors(0, 1) 1\n"
    "detector(0, 0) D0\n}",
}


def compile_file(file: Path, output: Path) -> None:
    model = read_error_model(file)
    compile_decoder(model, events_layout(model), output, core="union-find")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is nothing to decode"),
        ("error(0.1) L0\nerror(0.1) D0", "there is nothing to decode"),
        ("error(0) D0 L0", "there is nothing to decode"),
        ("hello", "not a detector error model"),
        ("error(1.5) D0 L0", "not a detector error model"),
        ("error(0.1) D0 D1 D2 L0", "sets off 3 detectors at once"),
        ("error(0.1) D0 L62", "63 observables; at most 62"),
        ("error(0.1) D0 L99999", "100000 observables; at most 62"),
        ("error(0.1) D99999999 L0", "100,000,000 detectors"),
        ("repeat 100000000 {\nerror(0.1) D0 D1\nshift_detectors 1\n}\nerror(0.1) D0 L0", "100,000,001 errors"),
        ("error(0.1) D8160 L0", "8161 detectors .* do not fit into messages"),
        (f"{LINE}error(0.7) D1", "D1 and the boundary happens with probability 0.7"),
        (f"{LINE}error(1) D1", "probability 1: what is likelier than not"),
    ],
)
def test_model_that_cannot_be_decoded_is_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "model.dem"
    file.write_text(text)
    with pytest.raises(ErrorModelError, match=message):
        compile_file(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", LINTED)
@pytest.mark.parametrize("loadable", [False, True])
def test_rtl_of_a_strange_model_is_clean(name: str, loadable: bool, tmp_path: Path) -> None:
    try:
        verilator_environment()
    except ToolMissingError as error:
        pytest.skip(str(error))
    model = stim.DetectorErrorModel(LINTED[name])
    options = UnionFindOptions(loadable=loadable)
    decoder = compile_decoder(model, events_layout(model), tmp_path / "out", core="union-find", options=options)
    assert lint(decoder) == ""


@pytest.mark.parametrize("weight_bits", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_every_syndrome_of_a_strange_model_is_answered_as_by_the_model(weight_bits: int) -> None:
    graph = graph_of(stim.DetectorErrorModel(ODD))
    assert graph.num_vertices == 8
    check_core(graph, UnionFindOptions(weight_bits), all_syndromes(graph.num_vertices))
