"""Simulator side: one step of the CRC against zlib."""

import zlib
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import Timer

ONES = 0xFFFF_FFFF
RESIDUE = 0xDEBB_20E3


async def crc(dut: Any, data: bytes) -> int:
    register = ONES
    for byte in data:
        dut.crc_i.value, dut.byte_i.value = register, byte
        await Timer(1, "ns")
        register = int(dut.crc_o.value)
    return register


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def equals_zlib(dut: Any) -> None:
    random = Random(cocotb.RANDOM_SEED)
    for length in (1, 2, 9, 64, 255):
        data = random.randbytes(length)
        register = await crc(dut, data)
        assert register ^ ONES == zlib.crc32(data)
        assert await crc(dut, data + (register ^ ONES).to_bytes(4, "little")) == RESIDUE
    assert await crc(dut, b"123456789") ^ ONES == 0xCBF4_3926  # the check value of every list of CRCs
