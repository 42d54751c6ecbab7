"""The closed loop: twin, link, decoder and back, once. `run_loop` is the whole story on one screen."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bridge.adaptive.policy import Adaptation, AdaptiveSettings
from bridge.decoders import Decoder, find_decoder
from bridge.errors import BridgeError, DecoderMismatchError, LoopError, ProtocolError, RegisterError
from bridge.links import default_link, make_link, trace_link, waveform_format
from bridge.links.base import Deadlines, Link, LinkInfo, OpenedLink
from bridge.problem import DecodingProblem, decoding_problem
from bridge.tally import Tally
from hdl.registers.map import Address
from qds1 import Corrections, FaultCode, Kind, Qds1Error, decode_corrections, parse, split_frames
from qds1.shots import Bits, Words
from twin.client import SessionStream, TwinClient, TwinError

ID_WORD = int.from_bytes(b"QDS1", "little")
DEFAULT_CHUNK_SHOTS = 8192


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What to run.

    noise: "device", or "uniform:P" for circuit noise of probability P.
    adaptive: renew the decoder's weights from the syndromes while it runs; None to leave them alone.
    """

    decoder: str = "table"
    link: str | None = None
    backend_id: str = "surface17_like"
    code: str = "surface"
    distance: int = 3
    rounds: int = 3
    basis: str = "Z"
    shots: int = 10_000
    seed: int = 1
    noise: str = "device"
    chunk_shots: int = DEFAULT_CHUNK_SHOTS
    trace_shot: int | None = None
    adaptive: AdaptiveSettings | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)


class Watcher(Protocol):
    """Told of progress."""

    def stage(self, text: str) -> None:
        """A new step began."""

    def shots(self, done: int, total: int) -> None:
        """So many shots are done."""


@dataclass(frozen=True)
class Setup:
    """What is settled before the first shot: job, session, what it asks, who decodes, the counts, who adapts."""

    job_id: str
    session: Mapping[str, Any]
    problem: DecodingProblem
    decoder: Decoder
    tally: Tally
    adaptation: Adaptation | None

    @property
    def session_id(self) -> str:
        """The twin's name for the session."""
        return str(self.session["session_id"])


@dataclass
class LoopRun:
    """What a run has found so far: whole when it ends, useful when it is cut short.

    Attributes:
        setup, link: None when the run failed before they existed.
        counters: what the decoder counted itself (stalls, faults).
        ended: the twin's verdict.
        telemetry: the twin's own QEC telemetry after the run.
        physical_error_rate: see `_physical_error_rate`.
        adaptive: what an adaptive run changed and gained, see `Adaptation.result`.
        trace_file: the waveform, if one was asked for.
        error: why the run was cut short, None when it was not.
    """

    settings: LoopSettings
    setup: Setup | None = None
    link: LinkInfo | None = None
    counters: Mapping[str, int | None] = field(default_factory=dict)
    ended: Mapping[str, Any] | None = None
    telemetry: Mapping[str, Any] | None = None
    physical_error_rate: float | None = None
    adaptive: Mapping[str, Any] | None = None
    trace_file: Path | None = None
    error: BridgeError | None = None


def run_loop(settings: LoopSettings, twin: TwinClient, watcher: Watcher, report_folder: Path) -> LoopRun:
    """Run the closed loop once.

    The run is returned in every case; `error` says why it was cut short.

    Args:
        settings: what to run.
        twin: a client that is logged in.
        watcher: told of progress.
        report_folder: where a waveform goes.
    """
    run = LoopRun(settings)
    try:
        _check(settings)
        setup = run.setup = _set_up(settings, twin, watcher)
        link_name = settings.link or default_link(setup.decoder)
        watcher.stage(f"opening the decoder {setup.decoder.name} over {link_name}")
        with OpenedLink(make_link(link_name, setup.decoder, setup.problem, settings.deadlines)) as opened:
            run.link = opened.info
            _check_identity(opened.link, setup)
            _set_length(opened.link, setup)
            watcher.stage("streaming")
            _stream_shots(twin, opened.link, setup, settings, watcher)
            run.counters = _counters(opened.link)
        watcher.stage("judging")
        run.ended = twin.end_session(setup.session_id)
        _check_verdict(run.ended, setup.tally)
        run.physical_error_rate = _physical_error_rate(twin, settings)
        run.adaptive = _adaptive_result(twin, setup, settings)
        run.trace_file = _trace(setup, settings, report_folder)
        twin.attach_metadata(setup.job_id, metadata(run))
        run.telemetry = twin.telemetry_qec(backend_id=settings.backend_id, job_id=setup.job_id)
    except BridgeError as error:
        run.error = error
    except TwinError as error:
        run.error = LoopError(f"the twin: {error}")
    return run


def session_problem(settings: LoopSettings, twin: TwinClient) -> DecodingProblem:
    """What a session with these settings would ask a decoder; the session is ended again."""
    _check(settings)
    session = _open_session(twin, settings, None)
    problem = decoding_problem(session, twin.session_error_model(session["session_id"]))
    twin.end_session(session["session_id"])
    return problem


def _set_up(settings: LoopSettings, twin: TwinClient, watcher: Watcher) -> Setup:
    watcher.stage("submitting the memory job")
    job_id = _submit_job(twin, settings)
    session = _open_session(twin, settings, job_id)
    watcher.stage("compiling the session's error model")
    problem = decoding_problem(session, twin.session_error_model(session["session_id"]))
    decoder = find_decoder(settings.decoder, problem)
    adaptation = Adaptation(problem, decoder, settings.adaptive) if settings.adaptive else None
    return Setup(job_id, session, problem, decoder, Tally(problem, settings.trace_shot), adaptation)


def metadata(run: LoopRun) -> dict[str, Any]:
    """decoder_metrics and qec_metrics of a run, as they are attached to its job; empty before the link was open."""
    if run.setup is None or run.link is None:
        return {}
    decoder, tally = run.setup.decoder, run.setup.tally
    clock_mhz = decoder.clock_mhz if run.link.clocked else None
    return {
        "decoder_metrics": {
            "decoder": decoder.name,
            "version": decoder.version,
            "graph_hash": f"0x{decoder.graph_hash:08x}",
            "link": run.link.link,
            "simulator": run.link.simulator,
            "clock_mhz": clock_mhz,
            **tally.timing_metrics(clock_mhz, float(run.setup.session["round_time_ns"])),
            **run.counters,
            "repeats": 0,
        },
        "qec_metrics": {**tally.qec_metrics(), "physical_error_rate": run.physical_error_rate},
    }


def _check(settings: LoopSettings) -> None:
    if settings.shots < 1:
        raise LoopError(f"--shots must be at least 1, not {settings.shots}")
    if settings.trace_shot is not None and not 0 <= settings.trace_shot < settings.shots:
        raise LoopError(f"--trace {settings.trace_shot}: the run has shots 0 to {settings.shots - 1}")
    noise_body(settings.noise)


def noise_body(noise: str) -> dict[str, float] | None:
    """The `noise` of a session: None for the device's own, else {"uniform_prob": p}; raises LoopError."""
    if noise == "device":
        return None
    kind, _, value = noise.partition(":")
    try:
        probability = float(value)
    except ValueError:
        probability = -1.0
    if kind != "uniform" or not 0 <= probability < 0.5:
        raise LoopError(f"--noise {noise!r}: expected `device`, or `uniform:P` with 0 <= P < 0.5")
    return {"uniform_prob": probability}


def _submit_job(twin: TwinClient, settings: LoopSettings) -> str:
    memory = {
        "code_family": settings.code,
        "code_distance": settings.distance,
        "rounds": settings.rounds,
        "basis": settings.basis,
    }
    limit = int(twin.backend(settings.backend_id)["max_shots"])
    job = twin.submit_job(
        backend_id=settings.backend_id,
        circuits=[{"qec_memory": memory}],
        shots=min(settings.shots, limit),
        seed=settings.seed,
    )
    return str(job["job_id"])


def _open_session(twin: TwinClient, settings: LoopSettings, job_id: str | None) -> Mapping[str, Any]:
    return twin.create_session(
        backend_id=settings.backend_id,
        code_family=settings.code,
        code_distance=settings.distance,
        basis=settings.basis,
        rounds=settings.rounds,
        shots=settings.shots,
        seed=settings.seed,
        noise=noise_body(settings.noise),
        job_id=job_id,
    )


def _check_identity(link: Link, setup: Setup) -> None:
    """Refuse a decoder whose registers say that it was made for something else."""
    decoder, asked = setup.decoder, setup.decoder.graph_hash
    try:
        identity = link.read_register(Address.ID)
        graph_hash = link.read_register(Address.GRAPH_HASH)
    except RegisterError as error:
        raise DecoderMismatchError(f"the decoder {decoder.name} does not tell who it is: {error}") from error
    if identity != ID_WORD:
        raise DecoderMismatchError(
            f"the decoder {decoder.name} has 0x{identity:08x} in its ID register, expected 0x{ID_WORD:08x} (QDS1)"
        )
    if graph_hash != asked:
        raise DecoderMismatchError(
            f"the decoder {decoder.name} was built for graph 0x{graph_hash:08x}, "
            f"this session has 0x{asked:08x}; compile it for this code, distance and rounds"
        )


def _set_length(link: Link, setup: Setup) -> None:
    """Tell a decoder for memories of any length how long these are."""
    options = setup.decoder.options
    if options is not None and options.window:
        link.write_register(Address.ROUNDS, setup.problem.layout.rounds)


def _counters(link: Link) -> dict[str, int | None]:
    """Stalled input cycles and faults as the decoder itself counted them; None where it does not count."""
    counted: dict[str, int | None] = {}
    for name, address in (("stalls", Address.COUNT_STALLS), ("faults", Address.COUNT_FAULTS)):
        try:
            counted[name] = link.read_register(address)
        except RegisterError:  # a user's RTL need not have counters
            counted[name] = None
    return counted


def _stream_shots(twin: TwinClient, link: Link, setup: Setup, settings: LoopSettings, watcher: Watcher) -> None:
    """Move every shot of the session through the decoder, a chunk at a time, and bring its corrections back."""
    tally, num_observables = setup.tally, setup.problem.graph.num_observables
    with twin.open_stream(setup.session_id) as stream:
        while tally.num_shots < settings.shots:
            shots = _next_shots(stream, tally, settings)
            started = time.perf_counter()
            answers = link.exchange(shots.ravel(), len(shots))
            elapsed_s = time.perf_counter() - started
            answers, frames = split_frames(answers, num_observables)
            corrections = _corrections(answers, tally.num_shots, len(shots), num_observables)
            stream.send_corrections(answers)
            events, observables = tally.add(shots, corrections, elapsed_s)
            tally.add_frames(frames)
            if setup.adaptation is not None:
                _adapt(twin, link, setup.adaptation, settings, (events, observables, corrections.flips))
            watcher.shots(tally.num_shots, settings.shots)
        stream.flush()


def _adapt(
    twin: TwinClient, link: Link, adaptation: Adaptation, settings: LoopSettings, seen: tuple[Bits, Bits, Bits]
) -> None:
    """Learn from a chunk; when it is time, renew the decoder's weights and tell the twin that its controller acted."""
    adaptation.observe(*seen)
    if not adaptation.is_due:
        return
    adaptation.renew(link)
    policy = twin.controller_state(settings.backend_id)["overrides"]["policy"]
    # The decoder has changed, not the device: the update repeats what is in force.
    twin.command(settings.backend_id, "policy_update", {"exec_time_scale": policy["exec_time_scale"]})


def _adaptive_result(twin: TwinClient, setup: Setup, settings: LoopSettings) -> dict[str, Any] | None:
    if setup.adaptation is None or settings.adaptive is None:
        return None
    fresh = None
    if settings.adaptive.compare_fresh:
        twin.command(settings.backend_id, "recalibrate", {})
        session = _open_session(twin, settings, setup.job_id)
        fresh = decoding_problem(session, twin.session_error_model(session["session_id"]))
        twin.end_session(str(session["session_id"]))
    return setup.adaptation.result(fresh)


def _next_shots(stream: SessionStream, tally: Tally, settings: LoopSettings) -> Words:
    wanted = min(settings.chunk_shots, settings.shots - tally.num_shots)
    words = stream.next_shots(wanted)
    if words.size == 0 or words.size % tally.words_per_shot:
        raise LoopError(
            f"the twin sent {words.size} words for {wanted} shots of {tally.words_per_shot} words, "
            f"after {tally.num_shots} shots"
        )
    return words.reshape(-1, tally.words_per_shot)


def _corrections(answers: Words, first_shot: int, num_shots: int, num_observables: int) -> Corrections:
    """Check that the answers are one CORRECTION for each shot, in order."""
    try:
        corrections = decode_corrections(answers, num_observables)
    except Qds1Error as error:
        raise ProtocolError(_explain(answers, error)) from error
    expected = (first_shot + np.arange(num_shots)) & 0xFFFF
    if corrections.tags.shape != expected.shape or (corrections.tags != expected).any():
        raise ProtocolError(
            f"the decoder's answers carry tags {corrections.tags[:4].tolist()}… for {num_shots} shots "
            f"tagged {expected[:4].tolist()}…; each answer must carry its shot's tag, in order"
        )
    return corrections


def _explain(answers: Words, error: Qds1Error) -> str:
    """Say what stands where a CORRECTION was expected: a FAULT with its meaning, or garbage."""
    try:
        messages = parse(answers)
    except Qds1Error as parse_error:
        return f"the decoder's answer is not qds1: {parse_error}"
    fault = next((message for message in messages if message.kind == Kind.FAULT), None)
    if fault is None:
        return f"the decoder's answer is not a CORRECTION for each shot: {error}"
    code = fault.payload[0] if fault.payload else 0
    meaning = FaultCode(code).name.lower().replace("_", " ") if code in FaultCode.__members__.values() else "unknown"
    return f"the decoder answered shot tag {fault.tag} with fault {code} ({meaning}), word 0x{fault.payload[-1]:08x}"


def _check_verdict(ended: Mapping[str, Any], tally: Tally) -> None:
    """The twin judges with the true observables; it must come to the same count as the bridge did from the readout."""
    if int(ended["logical_errors"]) != tally.logical_errors:
        raise LoopError(
            f"the twin counts {ended['logical_errors']} logical errors, the bridge {tally.logical_errors}: "
            "corrections were lost or applied to the wrong shot"
        )


def _physical_error_rate(twin: TwinClient, settings: LoopSettings) -> float | None:
    """The uniform probability, or the mean two-qubit gate error of the device as it reports itself."""
    uniform = noise_body(settings.noise)
    if uniform is not None:
        return uniform["uniform_prob"]
    errors = [float(gate["error"]) for gate in twin.backend(settings.backend_id).get("two_qubit_gates", [])]
    return float(np.mean(errors)) if errors else None


def _trace(setup: Setup, settings: LoopSettings, folder: Path) -> Path | None:
    """Send one shot again through the RTL with its waveform recorded."""
    if setup.tally.trace_words is None:
        return None
    file = folder / f"shot_{settings.trace_shot}.{waveform_format()}"
    with OpenedLink(trace_link(setup.decoder, settings.deadlines, file)) as opened:
        opened.link.exchange(setup.tally.trace_words, 1)
    return file
