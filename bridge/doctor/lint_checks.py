"""Checks of the RTL's text: what Verilator warns of in the user's own files."""

from bridge.doctor.findings import Finding, passed, skipped, warned
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError
from hdl.lint import DesignWarning, design_warnings

LISTED = 8
LOOP = "UNOPTFLAT"
MAX_PATH_LINES = 8


def own_warnings(decoder: DecoderFolder) -> Finding:
    """Warnings that may mean a wrong number, or another one in hardware than in simulation."""
    check = "Verilator's warnings of its own files"
    try:
        found = design_warnings(decoder.design)
    except HdlError as error:
        return skipped(check, str(error).partition("\n")[0])
    if not found:
        return passed(check, "none of those that may mean a wrong number")
    codes = ", ".join(sorted({warning.code for warning in found}))
    first = "; ".join(in_short(warning) for warning in found[:LISTED])
    return warned(
        check, f"warnings of its RTL: {codes}", f"{len(found)}: {first}" + ("; ..." if len(found) > LISTED else ""),
        "read each line that is named; `qtwin decoder check PATH --lint` shows them in full",
        warnings=[in_short(warning) for warning in found],
    )  # fmt: skip


def in_short(warning: DesignWarning) -> str:
    """Code, place and the first line of what Verilator says."""
    said = warning.text.splitlines()[0].partition(f"{warning.file}:{warning.line}:")[2].partition(": ")[2]
    return f"{warning.code} {warning.file.name}:{warning.line}: {said}"


def about_loops(decoder: DecoderFolder) -> str:
    """Combinational circles that Verilator sees in the user's own files, with the path of each, for an evidence."""
    try:
        found = [warning for warning in design_warnings(decoder.design) if warning.code == LOOP]
    except HdlError:
        return ""
    if not found:
        return ""
    paths = []
    for warning in found[:2]:
        steps = [line.strip() for line in warning.text.splitlines() if "Example path" in line][:MAX_PATH_LINES]
        paths.append(f"{in_short(warning)}" + (f" ({' -> '.join(steps)})" if steps else ""))
    return f"; circular logic in {'; '.join(paths)}"
