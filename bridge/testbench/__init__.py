"""Parts for a cocotb testbench of one's own: streams, shots in, corrections out, a scoreboard.

In a cocotb test, for a decoder with whatever signal names (here `in_*` and `out_*`):

    from bridge.testbench import CorrectionSink, Scoreboard, StreamSignals, StreamSource, SyndromeSource

    @cocotb.test(timeout_time=1, timeout_unit="ms")
    async def decodes(dut):
        Clock(dut.clk, 10, unit="ns").start()
        source = SyndromeSource(StreamSource(StreamSignals.of(dut, "in", data="word"), dut.clk))
        sink = CorrectionSink(StreamSignals.of(dut, "out", data="word"), dut.clk)
        ...                                              # reset the design
        scoreboard = Scoreboard()
        scoreboard.expect_corrections(expected_flips)    # 0/1, shape (shots, observables), from a model
        source.send(qds1.encode_shots(syndromes, data))  # or send_all(recorded_shots(file)), session_shots(fetch, n)
        scoreboard.check(await sink.answers(len(expected_flips), timeout_ns=100_000))
        print(scoreboard.finish().latencies_cycles)
"""

from bridge.testbench.registers import RegisterError, RegisterMaster
from bridge.testbench.scoreboard import Score, Scoreboard, ScoreboardError
from bridge.testbench.shots import CorrectionSink, SyndromeSource, recorded_shots, session_shots
from bridge.testbench.stream import (
    Pause,
    StreamProtocolError,
    StreamSignals,
    StreamSink,
    StreamSource,
    StreamWord,
    never,
    random_pauses,
    words_of,
)

__all__ = [
    "CorrectionSink",
    "Pause",
    "RegisterError",
    "RegisterMaster",
    "Score",
    "Scoreboard",
    "ScoreboardError",
    "StreamProtocolError",
    "StreamSignals",
    "StreamSink",
    "StreamSource",
    "StreamWord",
    "SyndromeSource",
    "never",
    "random_pauses",
    "recorded_shots",
    "session_shots",
    "words_of",
]
