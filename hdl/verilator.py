"""Has Verilator look over a design without building it."""

from collections.abc import Sequence

from hdl.build import captured, first_errors, verilator_environment
from hdl.design import Design, verilator_arguments
from hdl.errors import BuildError

TIMEOUT_S = 300.0
LOOK_ONLY = ("--lint-only", "--no-timing", "--bbox-unsup", "-Wno-fatal", "-Wno-lint", "-Wno-style")


def look_over(design: Design, arguments: Sequence[str]) -> str:
    """What Verilator says of a design: warnings that `arguments` turn on.

    Raises:
        ToolMissingError: no Verilator.
        BuildError: it does not take the design; carries its first errors.
    """
    command = ["verilator", *LOOK_ONLY, *arguments, *verilator_arguments(design), "--top-module", design.top]
    command += map(str, design.of("verilog"))
    done = captured(command, design.name, environment=verilator_environment(), limit_s=TIMEOUT_S)
    if done.returncode != 0:
        raise BuildError(f"{design.name} does not compile (verilator):\n{first_errors(done.stderr)}")
    return done.stderr
