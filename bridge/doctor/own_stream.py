"""A decoder with a stream of its own, connected otherwise: to a receiver that waits, to a reset of the other level."""

import re
from collections.abc import Callable
from pathlib import Path

import yaml

from bridge.doctor.findings import Finding, failed, passed, skipped
from bridge.doctor.patient import Patient, Shots
from bridge.errors import LinkLostError, LinkOpenError
from bridge.probe import Bench
from hdl.build import cached_build
from hdl.compile.manifest import MANIFEST_NAME, DecoderFolder
from hdl.compile.stream_wrapper import ADAPTER, WRAPPER_FILE, with_qds1_ports

FEW = 50
RECEIVER = """\
  // a receiver that raises ready once it has seen valid, and not before
  logic seen_q, shown_valid, given_ready;
  always_ff @(posedge clk_i) seen_q <= rst_ni && out_valid && !(seen_q && out_ready);
  assign shown_valid = out_valid && seen_q;
  assign given_ready = out_ready && seen_q;
"""
RESET_PIN = re.compile(r"\((!?)rst_ni\)")
READY_PIN = re.compile(r"\(out_ready\)(?=,|$)", re.MULTILINE)


def valid_comes_first(patient: Patient, shots: Shots) -> Finding | None:
    """Whether the decoder's own valid goes up without its ready; None for one without such a stream."""
    stream = patient.manifest.stream
    if stream is None or not (stream.has("valid", "out") and stream.has("ready", "out")):
        return None
    valid, ready = stream.ports.out_valid, stream.ports.out_ready
    check = f"{valid} does not wait for {ready}"
    some = shots.first(FEW)
    _, answers = patient.answer(patient.words(some.events), len(some))
    usual = len(answers.messages)
    with Bench(_rewired(patient.decoder, _with_receiver)) as bench:
        waited = _answered(patient, bench, some)
    if usual < len(some):
        return skipped(check, f"{usual} of {len(some)} shots are answered as it is")
    if waited == len(some):
        return passed(check, f"{waited} shots, {ready} raised a cycle after {valid}")
    if waited:
        return failed(
            check, "does not honour backpressure",
            f"a receiver that raises {ready} a cycle after it sees {valid} got {waited} of {len(some)} answers",
            f"once {valid} is up, it and the word stay until {ready} is up, too, and the next shot waits",
        )  # fmt: skip
    return failed(
        check, f"{valid} waits for {ready}",
        f"a receiver that raises {ready} a cycle after it sees {valid} got none of {len(some)} answers; one whose "
        f"{ready} is up before gets them all",
        f"raise {valid} as soon as there is a word, whatever {ready} is",
    )  # fmt: skip


def other_polarity(patient: Patient, shots: Shots, silent: Finding) -> Finding:
    """A decoder that does nothing, once more with the other level of its reset: names the level with which it answers.

    silent: what was found with the level that the manifest says.
    """
    stream = patient.manifest.stream
    if stream is None or not stream.ports.reset:
        return silent
    some = shots.first(FEW)
    try:
        with Bench(_rewired(patient.decoder, _with_other_reset)) as bench:
            count = _answered(patient, bench, some)
    except (LinkOpenError, LinkLostError):
        return silent
    if count < len(some):
        return silent
    now = stream.ports.reset_active
    other = "low" if now == "high" else "high"
    return failed(
        silent.check, "wrong polarity of the reset",
        f"{silent.diagnosis}: {silent.evidence}; with {stream.ports.reset} active {other} instead of {now} it answers "
        f"{count} of {len(some)} shots",
        f"say `reset_active: {other}` under `stream.ports`, or reset while {stream.ports.reset} is {now}",
    )  # fmt: skip


def _answered(patient: Patient, bench: Bench, shots: Shots) -> int:
    other = Patient(bench, patient.decoder, patient.problem, patient.limit_s)
    other.in_flight = patient.in_flight
    return len(other.answer(other.words(shots.events), len(shots))[1].messages)


def _with_receiver(wrapper: str) -> str:
    changed, count = READY_PIN.subn("(given_ready)", wrapper)
    changed = changed.replace(".out_ready_o(given_ready)", ".out_ready_o(out_ready)")
    changed = changed.replace(".out_valid_i(out_valid)", ".out_valid_i(shown_valid)")
    return changed.replace("  qtwin_stream_adapter #(", f"{RECEIVER}  qtwin_stream_adapter #(") if count else wrapper


def _with_other_reset(wrapper: str) -> str:
    return RESET_PIN.sub(lambda pin: "(rst_ni)" if pin[1] else "(!rst_ni)", wrapper)


def _rewired(decoder: DecoderFolder, change: Callable[[str], str]) -> DecoderFolder:
    """The decoder with another text of the module around it; raises LinkOpenError where there is nothing to change."""
    wrapped = with_qds1_ports(decoder)
    usual = wrapped.file(WRAPPER_FILE).read_text(encoding="utf-8")
    text = change(usual)
    if text == usual:
        raise LinkOpenError(f"{decoder.manifest.name}: the module around it has no such pin")
    content = yaml.safe_load(wrapped.manifest_file.read_text(encoding="utf-8"))
    adapter = str(wrapped.file(ADAPTER))
    content["sources"] = [adapter if source == ADAPTER else source for source in content["sources"]]

    def build(folder: Path) -> list[Path]:
        (folder / WRAPPER_FILE).write_text(text, encoding="utf-8")
        (folder / MANIFEST_NAME).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        wrapped.design.put_files(folder)
        return []

    key = {"what": "rewired", "manifest": content, "text": text, "design": wrapped.design.key()}
    return DecoderFolder(cached_build(key, build, wrapped.design.search_dirs))
