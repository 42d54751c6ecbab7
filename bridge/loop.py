"""The closed loop: twin, link, decoder and back, once. `run_loop` is the whole story on one screen."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bridge.adaptive.policy import Adaptation
from bridge.answers import checked_corrections
from bridge.checkpoint import Checkpoint, Saved
from bridge.counters import read_counters
from bridge.decoder_names import check_decoder_name
from bridge.decoders import decoder_id, find_decoder
from bridge.errors import BridgeError, LoopError
from bridge.links import check_link, default_link, make_link, trace_link, waveform_format
from bridge.links.base import OpenedLink
from bridge.noise import noise_body
from bridge.problem import DecodingProblem, decoding_problem
from bridge.recovery import RecoveringLink
from bridge.returning_twin import ReturningStream, until_it_answers
from bridge.run import LoopRun, LoopSettings, Setup, Watcher, metadata
from bridge.tally import Tally
from qds1 import split_frames
from qds1.shots import Words
from twin.client import TwinApiError, TwinClient, TwinError

__all__ = [
    "LoopRun",
    "LoopSettings",
    "Setup",
    "Watcher",
    "check_settings",
    "metadata",
    "noise_body",
    "run_loop",
    "session_problem",
]

CODES = ("surface", "repetition")


def run_loop(
    settings: LoopSettings,
    twin: TwinClient,
    watcher: Watcher,
    report_folder: Path,
    saved: Saved | None = None,
    *,
    twin_comes_back: bool = True,
) -> LoopRun:
    """Run the closed loop once, or the rest of a run that was stopped.

    The run is returned in every case; `error` says why it was cut short.

    Args:
        settings: what to run.
        twin: a client that is logged in.
        watcher: told of progress.
        report_folder: where a waveform goes, and the progress of an unfinished run.
        saved: that progress, as `Checkpoint.load` found it there, to go on from it.
        twin_comes_back: whether one that is lost is waited for, as the link is; one of our own nobody starts again.
    """
    twin_wait_s = settings.deadlines.reconnect_s if twin_comes_back else 0.0
    run = LoopRun(settings, repeats=saved.repeats, reconnects=saved.reconnects) if saved else LoopRun(settings)
    try:
        check_settings(settings)
        setup = run.setup = _take_up(saved, twin, watcher) if saved else _set_up(settings, twin, watcher, twin_wait_s)
        checkpoint = Checkpoint(report_folder, run, saved)
        link_name = settings.link or default_link(setup.decoder)
        watcher.stage(f"opening the decoder {setup.decoder.name} over {link_name}")
        made = make_link(link_name, setup.decoder, setup.problem, settings.deadlines)
        with RecoveringLink(made, setup.greet, settings.deadlines.reconnect_s) as line:
            run.link = line.info
            watcher.stage("streaming")
            _stream_shots(twin, line, run, setup, watcher, checkpoint, twin_wait_s)
            run.counters = read_counters(line.link)
        watcher.stage("judging")
        run.ended = until_it_answers(lambda: twin.end_session(setup.session_id), twin_wait_s)
        _check_verdict(run.ended, setup.tally)
        run.physical_error_rate = _physical_error_rate(twin, settings)
        run.adaptive = _adaptive_result(twin, setup, settings)
        run.trace_file = _trace(setup, settings, report_folder)
        until_it_answers(lambda: twin.attach_metadata(setup.job_id, metadata(run)), twin_wait_s)
        run.telemetry = twin.telemetry_qec(backend_id=settings.backend_id, job_id=setup.job_id)
        checkpoint.remove()
    except BridgeError as error:
        run.error = error
    except TwinError as error:
        run.error = LoopError(f"the twin: {error}")
    return run


def session_problem(settings: LoopSettings, twin: TwinClient) -> DecodingProblem:
    """What a session with these settings would ask a decoder; the session is ended again."""
    check_settings(settings)
    session = _open_session(twin, settings, None)
    problem = decoding_problem(session, twin.session_error_model(session["session_id"]))
    twin.end_session(session["session_id"])
    return problem


def _set_up(settings: LoopSettings, twin: TwinClient, watcher: Watcher, twin_wait_s: float) -> Setup:
    watcher.stage("submitting the memory job")
    job_id = until_it_answers(lambda: _submit_job(twin, settings), twin_wait_s)
    session = until_it_answers(lambda: _open_session(twin, settings, job_id), twin_wait_s)
    watcher.stage("compiling the session's error model")
    error_model = until_it_answers(lambda: twin.session_error_model(session["session_id"]), twin_wait_s)
    problem = decoding_problem(session, error_model)
    decoder = find_decoder(settings.decoder, problem)
    adaptation = Adaptation(problem, decoder, settings.adaptive) if settings.adaptive else None
    tally = Tally(problem, settings.trace_shot)
    return Setup(job_id, session, problem, decoder, tally, adaptation, decoder_id(decoder))


def _take_up(saved: Saved, twin: TwinClient, watcher: Watcher) -> Setup:
    """The setup of a run that was stopped; its session must still be there."""
    watcher.stage("taking up the session")
    session_id = str(saved.session["session_id"])
    try:
        status = twin.session_status(session_id)
    except TwinApiError as error:
        raise LoopError(f"the twin no longer has session {session_id} ({error}); start a new run") from error
    if status["status"] != "active" and saved.num_shots < int(saved.session["shots"]):
        raise LoopError(
            f"session {session_id} was ended when {saved.num_shots} of its {saved.session['shots']} shots were "
            "counted; start a new run"
        )
    problem = decoding_problem(saved.session, saved.error_model)
    tally = Tally(problem, saved.settings.trace_shot)
    saved.restore(tally)
    decoder, adaptation = find_decoder(saved.settings.decoder, problem), None
    if decoder_id(decoder) != saved.decoder_id:
        raise LoopError(
            f"the decoder {decoder.name} is not as it was when the run was stopped after {saved.num_shots} shots: its "
            "RTL, a file that it reads, its manifest or its version has changed; put it back, or start a new run"
        )
    if saved.settings.adaptive is not None and saved.adaptation is not None:
        adaptation = Adaptation(problem, decoder, saved.settings.adaptive)
        adaptation.take_up(saved.adaptation, saved.adaptation_rows)
    return Setup(saved.job_id, saved.session, problem, decoder, tally, adaptation, saved.decoder_id, saved.read_id)


def check_settings(settings: LoopSettings) -> None:
    """What can be told without a twin; raises LoopError, or LinkOpenError for a decoder or a link that is not there."""
    if settings.shots < 1:
        raise LoopError(f"--shots must be at least 1, not {settings.shots}")
    if settings.trace_shot is not None and not 0 <= settings.trace_shot < settings.shots:
        raise LoopError(f"--trace {settings.trace_shot}: the run has shots 0 to {settings.shots - 1}")
    if settings.code not in CODES:
        raise LoopError(f"--code {settings.code!r}: expected {' or '.join(CODES)}")
    noise_body(settings.noise)
    check_decoder_name(settings.decoder)
    if settings.link is not None:
        check_link(settings.link)


def _submit_job(twin: TwinClient, settings: LoopSettings) -> str:
    noise = noise_body(settings.noise)
    memory = {
        "code_family": settings.code,
        "code_distance": settings.distance,
        "rounds": settings.rounds,
        "basis": settings.basis,
        **({} if noise is None else {"noise": noise}),
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


def _stream_shots(
    twin: TwinClient,
    line: RecoveringLink,
    run: LoopRun,
    setup: Setup,
    watcher: Watcher,
    checkpoint: Checkpoint,
    twin_wait_s: float,
) -> None:
    """Move every shot of the session through the decoder, a chunk at a time, and bring its corrections back.

    A shot counts when the twin has its correction; only then is it part of what a run that was stopped goes on from.
    """
    tally, total = setup.tally, run.settings.shots
    repeats, reconnects = run.repeats, run.reconnects  # of the part of the run that was stopped
    adapt = partial(_adapt, twin, line, setup.adaptation, run.settings, twin_wait_s)
    with ReturningStream(
        twin,
        setup.session_id,
        acknowledged_shots=tally.num_shots,
        words_per_shot=tally.words_per_shot,
        wait_s=twin_wait_s,
        tell=watcher.stage,
    ) as stream:
        try:
            adapt()  # a run that goes on may have been stopped before it did
            while tally.num_shots < total:
                _move_chunk(stream, line, setup, run.settings)
                adapt()
                run.repeats, run.reconnects = repeats + line.repeats, reconnects + line.reconnects
                watcher.shots(tally.num_shots, total)
                if checkpoint.is_due:
                    _put_away(stream, checkpoint)
        except BridgeError:
            _put_away(stream, checkpoint)
            raise
        _put_away(stream, checkpoint)


def _put_away(stream: ReturningStream, checkpoint: Checkpoint) -> None:
    stream.flush()
    checkpoint.save()


def _move_chunk(stream: ReturningStream, line: RecoveringLink, setup: Setup, settings: LoopSettings) -> None:
    tally = setup.tally
    shots = _next_shots(stream, setup, settings)
    started = time.perf_counter()
    answers = line.exchange(shots)
    elapsed_s = time.perf_counter() - started
    answers, frames = split_frames(answers, setup.problem.graph.num_observables)
    corrections = checked_corrections(answers, tally.num_shots, len(shots), setup.problem.graph.num_observables)
    stream.send_corrections(answers, len(shots))
    events, observables = tally.add(shots, corrections, elapsed_s)
    tally.add_frames(frames)
    if setup.adaptation is not None:
        setup.adaptation.observe(events, observables, corrections.flips)


def _adapt(
    twin: TwinClient,
    line: RecoveringLink,
    adaptation: Adaptation | None,
    settings: LoopSettings,
    twin_wait_s: float,
) -> None:
    """When it is time, renew the decoder's weights and tell the twin that its controller acted."""
    if adaptation is None or not adaptation.is_due:
        return
    line.access(adaptation.renew)
    until_it_answers(lambda: _tell_of_policy(twin, settings.backend_id), twin_wait_s)


def _tell_of_policy(twin: TwinClient, backend_id: str) -> None:
    policy = twin.controller_state(backend_id)["overrides"]["policy"]
    # The decoder has changed, not the device: the update repeats what is in force.
    twin.command(backend_id, "policy_update", {"exec_time_scale": policy["exec_time_scale"]})


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


def _next_shots(stream: ReturningStream, setup: Setup, settings: LoopSettings) -> Words:
    """The next chunk; an adaptive run's ends where its weights are to be renewed."""
    tally = setup.tally
    wanted = min(settings.chunk_shots, settings.shots - tally.num_shots)
    if setup.adaptation is not None:
        wanted = min(wanted, setup.adaptation.num_left)
    words = stream.next_shots(wanted, tally.num_shots)
    if words.size == 0 or words.size % tally.words_per_shot:
        raise LoopError(
            f"the twin sent {words.size} words for {wanted} shots of {tally.words_per_shot} words, "
            f"after {tally.num_shots} shots"
        )
    return words.reshape(-1, tally.words_per_shot)


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
    with OpenedLink(trace_link(setup.decoder, settings.deadlines, file, setup.problem)) as opened:
        opened.link.exchange(setup.tally.trace_words, 1)
    return file
