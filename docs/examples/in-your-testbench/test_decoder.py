import os

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from bridge.testbench import CorrectionSink, StreamSignals, StreamSource, SyndromeSource
from qds1 import encode
from twin.client import TwinClient

SHOTS, BATCH, WAIT_NS = 2000, 500, 1_000_000
NAMES = {"data": "word", "valid": "valid", "ready": "ready", "last": None}  # dut.in_word, dut.in_valid, ...


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def decodes_what_the_twin_measures(dut):
    Clock(dut.clk, 10, unit="ns").start()
    source = SyndromeSource(StreamSource(StreamSignals.of(dut, "in", **NAMES), dut.clk))
    sink = CorrectionSink(StreamSignals.of(dut, "out", **NAMES), dut.clk)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0

    with TwinClient(os.environ["QTWIN_URL"], os.environ["QTWIN_EMAIL"], os.environ["QTWIN_PASSWORD"]) as twin:
        twin.login()
        session = twin.create_session(
            backend_id="repetition29_like", code_family="repetition", code_distance=3, rounds=3, shots=SHOTS, seed=1
        )
        with twin.open_stream(session["session_id"]) as stream:
            for _ in range(0, SHOTS, BATCH):
                source.send(stream.next_shots(BATCH))
                stream.send_corrections(encode(await sink.answers(BATCH, WAIT_NS)))
            stream.flush()
        verdict = twin.end_session(session["session_id"])

    dut._log.info("%d logical errors in %d shots", verdict["logical_errors"], SHOTS)
    assert verdict["logical_errors"] < SHOTS // 100  # without corrections: more than 50
