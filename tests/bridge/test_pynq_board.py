"""The simulated board's DMA against product guide PG021 (register space, direct register mode), and its clock."""

import numpy as np
import pytest

from bridge.boards.pynq import dma
from bridge.boards.pynq.dma import Dma, Status
from bridge.boards.pynq.logic import BusError, Logic, LogicLimits
from bridge.boards.pynq.memory import BufferAccessError, Memory
from bridge.boards.pynq.registers import SystemRegisters
from bridge.links.base import Deadlines
from bridge.links.verilated import VerilatedLink
from hdl.boards.vivado.board import VivadoBoard, find_board
from hdl.registers.map import Address
from qds1 import decode_corrections
from tests.bridge.memory import Memory as Experiment
from tests.bridge.memory import sampled_memory

# Written out from PG021: offsets in the block, and values of DMACR and DMASR.
MM2S_DMACR, MM2S_DMASR, MM2S_SA, MM2S_LENGTH = 0x00, 0x04, 0x18, 0x28
S2MM_DMACR, S2MM_DMASR, S2MM_DA, S2MM_LENGTH = 0x30, 0x34, 0x48, 0x58
CONTROL_AFTER_RESET = 0x0001_0002
HALTED, IDLE, INTERNAL, SLAVE, DECODE, COMPLETED, ERROR = 0x1, 0x2, 0x10, 0x20, 0x40, 0x1000, 0x4000
LIMITS = LogicLimits(idle_cycles=500, stall_s=0.0)
Z2 = find_board("pynq_z2")
Z2_DMA, Z2_DECODER = 0x4040_0000, 0x43C0_0000
Z2_POOL = 0x1600_0000


@pytest.fixture
def memory() -> Memory:
    return Memory(Z2)


@pytest.fixture
def engine(memory: Memory) -> Dma:
    return Dma(memory)


def buffer(memory: Memory, num_bytes: int = 4096) -> int:
    return memory.place(memory.allocate(num_bytes))[0]


def test_registers_read_as_after_a_reset(engine: Dma) -> None:
    for control, status in ((MM2S_DMACR, MM2S_DMASR), (S2MM_DMACR, S2MM_DMASR)):
        assert engine.read(control) == CONTROL_AFTER_RESET
        assert engine.read(status) == HALTED
    assert engine.read(MM2S_SA) == engine.read(MM2S_LENGTH) == 0


def test_run_bit_leaves_the_halted_state_and_a_length_starts(engine: Dma, memory: Memory) -> None:
    engine.write(MM2S_DMACR, 1)
    assert engine.read(MM2S_DMASR) == 0
    engine.write(MM2S_SA, buffer(memory))
    engine.write(MM2S_LENGTH, 64)
    assert engine.send.active
    engine.send.finish(64)
    assert engine.read(MM2S_DMASR) == IDLE | COMPLETED
    engine.write(MM2S_DMASR, COMPLETED)
    assert engine.read(MM2S_DMASR) == IDLE


def test_length_of_a_halted_channel_starts_nothing(engine: Dma, memory: Memory) -> None:
    engine.write(MM2S_SA, buffer(memory))
    engine.write(MM2S_LENGTH, 64)
    assert not engine.send.active
    assert engine.read(MM2S_DMASR) == HALTED


@pytest.mark.parametrize(
    ("address", "num_bytes", "error"),
    [
        (Z2_POOL, 0, INTERNAL),
        (0x4000_0000, 64, DECODE),
        (0x1FFF_FFC0, 128, DECODE),
        (Z2_POOL, 8192, SLAVE),
        (Z2_POOL + 2, 64, SLAVE),
    ],
    ids=["length 0", "no memory", "past the memory", "past the buffer", "not aligned"],
)
def test_errors_halt_the_channel_until_a_reset(
    engine: Dma, memory: Memory, address: int, num_bytes: int, error: int
) -> None:
    assert buffer(memory) == Z2_POOL
    engine.write(S2MM_DMACR, 1)
    engine.write(S2MM_DA, address)
    engine.write(S2MM_LENGTH, num_bytes)
    assert engine.read(S2MM_DMASR) == HALTED | ERROR | error
    engine.write(S2MM_DMACR, 1)
    assert engine.read(S2MM_DMASR) & HALTED
    engine.write(MM2S_DMACR, 4)  # either channel's reset bit resets both
    assert engine.read(S2MM_DMASR) == HALTED
    assert engine.read(S2MM_DMACR) == CONTROL_AFTER_RESET


def test_stopping_lets_a_transfer_end_first(engine: Dma, memory: Memory) -> None:
    engine.write(S2MM_DMACR, 1)
    engine.write(S2MM_DA, buffer(memory))
    engine.write(S2MM_LENGTH, 64)
    engine.write(S2MM_DMACR, 0)
    assert not engine.read(S2MM_DMASR) & HALTED
    engine.receive.finish(16)
    assert engine.read(S2MM_DMASR) & HALTED
    assert engine.read(S2MM_LENGTH) == 16


def test_buffers_do_not_overlap_and_come_back(memory: Memory) -> None:
    names = [memory.allocate(5000) for _ in range(3)]
    places = [memory.place(name)[0] for name in names]
    assert np.diff(places).tolist() == [8192, 8192]
    memory.write(names[1], 4990, b"0123456789")
    with pytest.raises(BufferAccessError, match="past the end"):
        memory.write(names[1], 4991, b"0123456789")
    for name in names[::-1]:
        memory.release(name)
    with pytest.raises(BufferAccessError, match="no buffer"):
        memory.release(names[0])
    assert memory.place(memory.allocate(100 << 20))[0] == places[0]
    with pytest.raises(BufferAccessError, match="no room"):
        memory.allocate(100 << 20)


class Host:
    """What a driver does with the board's registers, polling as often as it is told."""

    def __init__(self, experiment: Experiment, limits: LogicLimits = LIMITS, board: VivadoBoard = Z2) -> None:
        assert experiment.decoder.folder is not None
        self.memory = Memory(board)
        self.registers = SystemRegisters(board)
        self.link = VerilatedLink(experiment.decoder.folder, Deadlines())
        self.link.open()
        self.logic = Logic(self.link, board, self.memory, self.registers, limits)
        self.sent, self.received = (buffer(self.memory, 1 << 16) for _ in range(2))

    def power_on(self) -> None:
        self.logic.program()
        for control in (MM2S_DMACR, S2MM_DMACR):
            self.write(control, 1)

    def read(self, offset: int) -> int:
        return self.logic.read(Z2_DMA + offset)

    def write(self, offset: int, value: int) -> None:
        self.logic.write(Z2_DMA + offset, value)

    def register(self, address: Address, value: int | None = None) -> int:
        if value is not None:
            self.logic.write(Z2_DECODER + address, value)
        return self.logic.read(Z2_DECODER + address)

    def receive(self, num_bytes: int) -> None:
        self.write(S2MM_DA, self.received)
        self.write(S2MM_LENGTH, num_bytes)

    def send(self, words: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> None:
        self.memory.at(self.sent, words.nbytes)[:] = words.astype("<u4").view(np.uint8)
        self.write(MM2S_SA, self.sent)
        self.write(MM2S_LENGTH, words.nbytes)

    def answers(self) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        return self.memory.at(self.received, self.read(S2MM_LENGTH)).view("<u4").astype(np.uint32)


@pytest.fixture(scope="module")
def memory_experiment() -> Experiment:
    return sampled_memory(num_shots=400, seed=7)


def test_polling_changes_neither_answers_nor_cycles(memory_experiment: Experiment) -> None:
    outcomes = []
    for num_polls, slice_cycles in ((0, 1_000_000), (50, 1_000_000), (3, 7)):
        host = Host(memory_experiment, LogicLimits(idle_cycles=500, slice_cycles=slice_cycles, call_s=1e-9, stall_s=60))
        host.power_on()
        host.register(Address.RESPONSES_PER_PACKET, 400)
        host.receive(1 << 14)
        for _ in range(num_polls):
            assert not host.read(S2MM_DMASR) & IDLE
        start = host.link.cycles
        host.send(memory_experiment.words.ravel())
        while not host.read(S2MM_DMASR) & IDLE:
            for _ in range(num_polls):
                host.read(MM2S_DMASR)
        corrections = decode_corrections(host.answers(), 1)
        outcomes.append(
            (host.link.cycles - start, corrections.flips.tolist(), set(corrections.latency_cycles.tolist()))
        )
        assert len(corrections.flips) == 400
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert outcomes[0][2] == {4}


def test_packet_longer_than_the_buffer_is_an_internal_error(memory_experiment: Experiment) -> None:
    host = Host(memory_experiment)
    host.power_on()
    host.register(Address.RESPONSES_PER_PACKET, 4)
    host.receive(8)
    host.send(memory_experiment.words[:4].ravel())
    assert host.read(S2MM_DMASR) == HALTED | ERROR | INTERNAL


def test_transfer_that_stands_still_is_an_error_that_names_the_signals(memory_experiment: Experiment) -> None:
    host = Host(memory_experiment)
    host.power_on()
    host.receive(1 << 14)
    with pytest.raises(BusError, match=r"500 clock cycles: S2MM has m_axis_tready up and m_axis_tvalid is down"):
        host.read(S2MM_DMASR)
    host.write(S2MM_DMACR, 4)
    host.write(MM2S_DMACR, 1)
    host.send(memory_experiment.words[:100].ravel())
    with pytest.raises(BusError, match=r"s_axis_tready is down .* no S2MM transfer is running"):
        host.read(MM2S_DMASR)


def test_nothing_answers_before_a_bitstream_is_loaded(memory_experiment: Experiment) -> None:
    host = Host(memory_experiment)
    with pytest.raises(BusError, match="no bitstream"):
        host.register(Address.ID)


def test_programming_is_a_power_on(memory_experiment: Experiment) -> None:
    host = Host(memory_experiment)
    host.power_on()
    assert host.register(Address.SCRATCH, 99) == 99
    host.receive(64)
    host.logic.program()
    assert host.register(Address.SCRATCH) == 0
    assert host.read(S2MM_DMASR) == HALTED
    assert Status(host.read(MM2S_DMASR)) == Status.HALTED
    assert dma.RECEIVE_OFFSET == S2MM_DMACR


# Written out from UG1087: AXI_FS of FPD_SLCR, and AFIFM_RDCTRL and AFIFM_WRCTRL of AFIFM2, with their codes for widths.
AXI_FS, RDCTRL, WRCTRL = 0xFD61_5000, 0xFD38_0000, 0xFD38_0014
HPM0_64, FABRIC_32 = 1 << 8, 2


def test_ports_of_ultrascale_have_to_be_set_to_the_widths_of_the_design(memory_experiment: Experiment) -> None:
    board = find_board("zcu104").model_copy(update={"control_bits": 64, "memory_bits": 32})
    host = Host(memory_experiment, board=board)
    host.logic.program()
    decoder_id = board.decoder_base
    with pytest.raises(BusError, match=r"M_AXI_HPM0_FPD is set to 128 bits .* the overlay's has 64"):
        host.logic.read(decoder_id)
    host.registers.write(AXI_FS, HPM0_64)
    host.registers.write(RDCTRL, FABRIC_32)
    with pytest.raises(BusError, match=r"S_AXI_HP0_FPD is set to 128 bits \(register 0xfd380014\)"):
        host.logic.read(decoder_id)
    host.registers.write(WRCTRL, FABRIC_32)
    assert host.logic.read(decoder_id) == 0x31534451


def test_dma_of_a_wide_port_takes_whole_words_of_it_and_reaches_two_gigabytes() -> None:
    memory = Memory(find_board("kv260"))
    engine = Dma(memory, align_bytes=8)
    start = buffer(memory)
    assert start == 0x7600_0000
    for address, error in ((start + 4, SLAVE), (0x7FFF_FFC0, SLAVE), (0x8000_0000, DECODE)):
        engine.write(MM2S_DMACR, 4)
        engine.write(MM2S_DMACR, 1)
        engine.write(MM2S_SA, address)
        engine.write(MM2S_LENGTH, 64)
        assert engine.read(MM2S_DMASR) == HALTED | ERROR | error
