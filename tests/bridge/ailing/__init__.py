"""A decoder that falls ill as the file ailment.txt says when it is powered on."""

from pathlib import Path

import yaml

from bridge.problem import DecodingProblem
from hdl.compile.decoder import compile_decoder
from hdl.compile.manifest import DecoderFolder
from hdl.compile.ports import CORE_PORTS

HERE = Path(__file__).parent
AILMENT_FILE = "ailment.txt"


def ailing_decoder(problem: DecodingProblem, folder: Path, ailment: str | None = None) -> DecoderFolder:
    """A table decoder with both wrappers around it, one build for every ailment.

    Args:
        problem: what it is compiled for.
        folder: to write.
        ailment: what it has for good; None looks into the working folder at power-on.
    """
    compile_decoder(problem.error_model, problem.layout, folder)
    core, file = folder / "decoder_core.sv", AILMENT_FILE
    if ailment is not None:
        (folder / AILMENT_FILE).write_text(ailment)
        file = str(folder / AILMENT_FILE)
    (folder / "healthy_core.sv").write_text(core.read_text().replace("module decoder_core (", "module healthy_core ("))
    core.write_text((HERE / "ailing_core.sv").read_text().replace("@PORTS@", CORE_PORTS).replace(AILMENT_FILE, file))
    (folder / "ailing_top.sv").write_text((HERE / "ailing_top.sv").read_text().replace(AILMENT_FILE, file))
    manifest = yaml.safe_load((folder / "decoder.yaml").read_text())
    manifest["top"] = "ailing_top"
    manifest["sources"] += ["healthy_core.sv", "ailing_top.sv"]
    (folder / "decoder.yaml").write_text(yaml.safe_dump(manifest))
    return DecoderFolder(folder)
