"""What a QEC session asks a decoder to solve: its error model, the layout of its stream, the decoding graph."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import stim

import hdl.errors
from bridge.errors import LoopError, NothingToDecodeError
from bridge.files import reason_of
from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import StreamLayout, session_layout
from hdl.compile.parity import ImpossibleShots
from hdl.compile.skeleton import ERROR_MODEL_FILE, SESSION_FILE
from hdl.errors import ErrorModelError


@dataclass(frozen=True)
class DecodingProblem:
    """A session's error model, taken apart. `code` names the code for manifests and reports."""

    error_model: stim.DetectorErrorModel
    layout: StreamLayout
    graph: DecodingGraph
    code: Mapping[str, Any]

    @cached_property
    def impossible_shots(self) -> ImpossibleShots:
        """Finds shots that its error model cannot produce."""
        return ImpossibleShots(self.error_model)


def decoding_problem(session: Mapping[str, Any], error_model_text: str) -> DecodingProblem:
    """Build the problem of a session.

    Args:
        session: the twin's answer to the session's creation.
        error_model_text: the session's detector error model in Stim's format.

    Raises:
        NothingToDecodeError: the model has nothing to decode.
        LoopError: the model and the session do not fit together, or cannot be decoded.
    """
    try:
        error_model = stim.DetectorErrorModel(error_model_text)
        layout = session_layout(session, error_model)
        graph = decoding_graph(error_model, layout)
    except hdl.errors.NothingToDecodeError as error:
        raise NothingToDecodeError(f"the session's error model cannot be used: {error}") from error
    except (ErrorModelError, ValueError, IndexError) as error:
        raise LoopError(f"the session's error model cannot be used: {error}") from error
    code = {
        "family": session["code_family"],
        "distance": session["code_distance"],
        "rounds": session["rounds"],
        "basis": session["basis"],
    }
    return DecodingProblem(error_model, layout, graph, code)


def read_problem(folder: Path) -> DecodingProblem:
    """The problem that a decoder's folder keeps beside its manifest (session.json, error_model.dem).

    Raises:
        LoopError: a file is missing or does not fit.
    """
    try:
        session = json.loads((folder / SESSION_FILE).read_text(encoding="utf-8"))
        error_model = (folder / ERROR_MODEL_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise LoopError(
            f"{folder} does not say which memory it decodes: {reason_of(error)}; `qtwin decoder new` writes "
            f"{SESSION_FILE} and {ERROR_MODEL_FILE}"
        ) from error
    return decoding_problem(session, error_model)
