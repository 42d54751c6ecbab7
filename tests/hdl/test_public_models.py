"""Error models and circuits that others publish: decoded as a reference does, or refused with the reason.

The files are not part of this project. QTWIN_PUBLIC_MODELS names a folder that holds each at OWNER/REPOSITORY/PATH, as
GitHub has it; without it these tests are skipped.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymatching
import pytest
import stim

from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import events_layout, read_error_model
from hdl.compile.table import decode_with_table, maximum_likelihood_table
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.errors import ErrorModelError
from hdl.model.unionfind import UnionFindModel

VARIABLE = "QTWIN_PUBLIC_MODELS"
LARGE = 700
"""Detectors from which on fewer shots are decoded."""
NOT_EDGES = r"sets off \d detectors at once and has no decomposition into edges"


@dataclass(frozen=True)
class PublicModel:
    """A file, its size, and what becomes of it: `refused` by a core with a message, decoded by the others.

    table, union_find: the message of a refusal; "" for a core that decodes it.
    """

    file: str
    num_detectors: int
    num_observables: int
    union_find: str = ""
    table: str = "too large"


PYMATCHING = "oscarhiggott/PyMatching/"
BENCHMARK = (
    f"{PYMATCHING}benchmarks/surface_codes/surface_code_rotated_memory_x_p_0.005_d_5_7_9_13_17_23_29_39_50_both_bases/"
    "surface_code_rotated_memory_x_"
)
CHROMOBIUS = "quantumlib/chromobius/test_data/"
TESSERACT = "quantumlib/tesseract-decoder/testdata/"
COLOUR = f"{TESSERACT}colorcodes/"
TQEC = "tqec/tqec/docs/media/"
MODELS = (
    PublicModel(f"{PYMATCHING}data/three_errors.dem", 2, 3, table=""),
    PublicModel(f"{PYMATCHING}data/tagged_dem.dem", 1, 0, "nothing to decode", "nothing to decode"),
    PublicModel(f"{PYMATCHING}data/negative_weight_circuit.dem", 2, 1, "likelier than not", ""),
    PublicModel(f"{PYMATCHING}data/surface_code_rotated_memory_x_13_0.01.dem", 2184, 1),
    PublicModel(
        f"{PYMATCHING}data/surface_code_rotated_memory_x_13_0.01_prob_0.2_negative.dem", 2184, 1, "likelier than not"
    ),
    PublicModel(f"{PYMATCHING}data/toric_code_unrotated_memory_x_5_0.005.dem", 150, 1),
    PublicModel(f"{BENCHMARK}5_0.005.stim", 120, 1),
    PublicModel(f"{BENCHMARK}7_0.005.stim", 336, 1),
    PublicModel(f"{BENCHMARK}9_0.005.stim", 720, 1),
    PublicModel(f"{CHROMOBIUS}rep_code_d9_transit_p10.stim", 8, 1, table=""),
    PublicModel(f"{CHROMOBIUS}rep_code_rg_d9_transit_p10.stim", 8, 1, table=""),
    PublicModel(f"{CHROMOBIUS}rep_code_rbrrr_d9_transit_p10.stim", 8, 1, table=""),
    PublicModel(f"{CHROMOBIUS}surface_code_d5_r5_p1000.stim", 120, 1),
    PublicModel(f"{CHROMOBIUS}color2surface_d5_transit_p100.stim", 38, 2, NOT_EDGES, NOT_EDGES),
    PublicModel(f"{CHROMOBIUS}color2surface_d7_phenom_r7_p100.stim", 624, 2, NOT_EDGES, NOT_EDGES),
    PublicModel(f"{CHROMOBIUS}phenom_color_code_d5_r5_p1000.stim", 108, 2, NOT_EDGES, NOT_EDGES),
    PublicModel(f"{CHROMOBIUS}midout_color_code_d5_r10_p1000.stim", 111, 1, NOT_EDGES, NOT_EDGES),
    PublicModel(f"{CHROMOBIUS}superdense_color_code_d5_r20_p1000.stim", 360, 1, NOT_EDGES, NOT_EDGES),
    PublicModel(f"{COLOUR}r=1,d=3,p=0.105254,noise=data_qubit_X,c=color_code_mpp,q=7,gates=mpp.stim", 6, 1, table=""),
    PublicModel(
        f"{COLOUR}r=1,d=5,p=0.105254,noise=data_qubit_X,c=color_code_mpp,q=19,gates=mpp.stim", 18, 1, NOT_EDGES, ""
    ),
    PublicModel(f"{COLOUR}r=3,d=3,p=0.001,noise=si1000,c=superdense_color_code_X,q=13,gates=cz.stim", 18, 1, table=""),
    PublicModel(f"{COLOUR}r=3,d=3,p=0.001,noise=uniform,c=midout_color_code_Z,q=9,gates=all.stim", 12, 1, table=""),
    PublicModel(
        f"{TESSERACT}surface_code_trans_cx_circuits/"
        "r=3,d=3,p=0.005,noise=si1000,c=surface_code_trans_cx_X,q=34,gates=cz.stim",
        96,
        2,
    ),
    PublicModel(
        f"{TESSERACT}surface_code_trans_cx_circuits/"
        "r=5,d=5,p=0.005,noise=si1000,c=surface_code_trans_cx_X,q=98,gates=cz.stim",
        480,
        2,
        NOT_EDGES,
        NOT_EDGES,
    ),
    PublicModel(
        f"{TESSERACT}surfacecodes/r=3,d=3,p=0.001,noise=si1000,c=surface_code_X,q=17,gates=cz.stim", 24, 1, table=""
    ),
    PublicModel(
        f"{TESSERACT}bivariatebicyclecodes/r=12,d=12,p=0.001,noise=si1000,c=bivariate_bicycle_X,nkd=[[144,12,12]],q=288,"
        "iscolored=True,A_poly=x^3+y+y^2,B_poly=y^3+x+x^2.stim",
        1728,
        12,
        NOT_EDGES,
        NOT_EDGES,
    ),
    PublicModel(f"{TQEC}gallery/memory/circuit.stim", 24, 1, table=""),
    PublicModel(f"{TQEC}gallery/move_rotation/circuit.stim", 136, 1),
    PublicModel(f"{TQEC}gallery/cnot/circuit.stim", 256, 2),
    PublicModel(f"{TQEC}gallery/three_cnots/circuit.stim", 336, 3),
    PublicModel(f"{TQEC}gallery/steane_encoding/circuit.stim", 540, 3),
    PublicModel(f"{TQEC}user_guide/quick_start/logical_cnot.stim", 1248, 1),
    PublicModel("NVIDIA/cudaqx/libs/qec/test_data/chromobius/basic_reference.dem", 2, 3, table=""),
)


def error_model(file: Path) -> stim.DetectorErrorModel:
    """The file's model; that of a circuit is decomposed where Stim can."""
    if file.suffix == ".dem":
        return read_error_model(file)
    circuit = stim.Circuit.from_file(file)
    try:
        return circuit.detector_error_model(decompose_errors=True)
    except ValueError:
        return circuit.detector_error_model()


def decode(core: str, graph: DecodingGraph, events: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> object:
    defects = graph.defects(events)
    if core == "table":
        return decode_with_table(maximum_likelihood_table(graph), defects, graph.num_observables)
    return UnionFindModel(graph, UnionFindOptions()).decode(defects)[0]


@pytest.mark.parametrize("core", ["union_find", "table"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.file.rpartition("/")[2])
def test_public_model(model: PublicModel, core: str) -> None:
    folder = os.environ.get(VARIABLE)
    if folder is None:
        pytest.skip(f"{VARIABLE} names no folder with the public files")
    errors = error_model(Path(folder) / model.file)
    assert (errors.num_detectors, errors.num_observables) == (model.num_detectors, model.num_observables)
    shots = 20_000 if model.num_detectors < LARGE else 500
    events, observables, _ = errors.compile_sampler(seed=5).sample(shots)
    refusal = getattr(model, core)
    if refusal:
        with pytest.raises(ErrorModelError, match=refusal):
            decode(core, decoding_graph(errors, events_layout(errors)), events.astype(np.uint8))
        return
    flips = decode(core, decoding_graph(errors, events_layout(errors)), events.astype(np.uint8))
    ours = int((flips != observables).any(axis=1).sum())
    try:
        matching = pymatching.Matching.from_detector_error_model(errors)
    except ValueError:  # it takes no model without edges: then better than no decoder at all
        theirs = int(observables.any(axis=1).sum())
    else:
        theirs = int((matching.decode_batch(events) != observables).any(axis=1).sum())
    # A table is the optimum, union-find near matching but on a torus; three standard deviations of what they differ in.
    bound = 1.0 if core == "table" else 1.45
    assert ours <= bound * theirs + 3 * (ours + theirs) ** 0.5


def test_the_list_is_long_enough_and_names_each_file_once() -> None:
    assert len({model.file for model in MODELS}) == len(MODELS) >= 25
