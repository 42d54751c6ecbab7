"""Builds a decoder for a cocotb simulator, and (as a process of its own) runs the simulation that serves it."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cocotb_tools.runner import get_runner

from hdl.build import VERILATOR_SPEED_FLAGS, cached_build, cocotb_environment, simulator_version, verilator_environment
from hdl.compile.manifest import DecoderFolder
from hdl.errors import BuildError

BUILD_LOG = "build.log"
VERILATOR_ARGS = (*VERILATOR_SPEED_FLAGS, "--no-public-flat-rw", "-CFLAGS", "-O3")
PUBLIC_PORTS = "ports.vlt"
NEWER_S = 3600


def build_simulation(decoder: DecoderFolder, simulator: str) -> Path:
    """Folder of the built simulation; builds it when this content was not built before.

    Raises:
        ToolMissingError: the simulator is not installed.
        BuildError: the RTL does not compile.
    """
    environment = cocotb_environment(simulator)
    manifest = decoder.manifest
    arguments = list(VERILATOR_ARGS) if simulator == "verilator" else ["-g2012"]
    key = {
        "link": "cocotb",
        "top": manifest.top,
        "flags": arguments,
        "parameters": dict(manifest.parameters),
        "tool": simulator_version(simulator),
        "sources": list(decoder.sources),
    }

    def build(folder: Path) -> None:
        if simulator == "verilator":
            _copy_runtime(folder, arguments)
        sources = [str(source) for source in decoder.sources]
        if simulator == "verilator":
            # Only the ports need to be visible to the testbench; everything public costs a factor of five.
            control = folder / PUBLIC_PORTS
            control.write_text(f'`verilator_config\npublic_flat_rw -module "{manifest.top}" -var "*"\n')
            sources.insert(0, str(control))
        try:
            with _environment(environment):
                get_runner(simulator).build(
                    sources=sources,
                    hdl_toplevel=manifest.top,
                    parameters=manifest.parameters,
                    build_args=arguments,
                    build_dir=folder,
                    timescale=("1ns", "1ps"),
                    always=True,
                    log_file=folder / BUILD_LOG,
                )
        except (SystemExit, RuntimeError) as error:
            output = (folder / BUILD_LOG).read_text(errors="replace").splitlines()
            errors = [line for line in output if "rror" in line] or output or [str(error)]
            raise BuildError(f"{manifest.name} does not compile in {simulator}:\n" + "\n".join(errors[:8])) from error

    return cached_build(key, build)


def _copy_runtime(folder: Path, arguments: list[str]) -> None:
    """Verilator's own runtime, which takes longer to compile than most decoders, from a build with the same flags."""
    key = {"link": "cocotb runtime", "flags": arguments, "tool": simulator_version("verilator")}

    def build(runtime: Path) -> None:
        source = runtime / "empty.sv"
        source.write_text("module empty(input logic clk_i); endmodule\n")
        with _environment(verilator_environment()):
            get_runner("verilator").build(
                sources=[source],
                hdl_toplevel="empty",
                build_args=arguments,
                build_dir=runtime,
                timescale=("1ns", "1ps"),
                always=True,
                log_file=runtime / BUILD_LOG,
            )

    for compiled in cached_build(key, build).glob("verilated*.o"):
        copy = shutil.copy(compiled, folder)
        os.utime(copy, times=(time.time() + NEWER_S,) * 2)  # else make finds the design's makefile newer


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    # cocotb's runner passes on os.environ; there is no argument for it
    saved = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def main() -> None:
    """Run a built simulation: simulate.py SIMULATOR BUILD_FOLDER TOP WORK_FOLDER."""
    simulator, build_folder, top, work_folder = sys.argv[1:]
    get_runner(simulator).test(
        test_module="bridge.links.cosim.server",
        hdl_toplevel=top,
        hdl_toplevel_lang="verilog",
        build_dir=build_folder,
        test_dir=work_folder,
        results_xml=str(Path(work_folder) / "results.xml"),
        timescale=("1ns", "1ps"),
    )


if __name__ == "__main__":
    main()
