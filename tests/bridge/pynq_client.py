"""What a program on a board or on its host does with the driver; run by tests with the Python and pynq of an image.

python pynq_client.py OVERLAY.bit WORDS.npy NUM_ANSWERS ANSWERS.npy REGISTER_WORDS: prints what it found as JSON.
"""

import json
import sys

import numpy as np
import pynq

from bridge.links.pynq.driver import DecoderBoard
from hdl.registers.decoder_registers import DecoderRegisters
from hdl.registers.map import Address


def main() -> None:
    """Load the overlay, exchange the words twice, read and write registers in each way that there is."""
    bitstream, words_file, num_answers, answers_file, register_words = sys.argv[1:]
    board = DecoderBoard(pynq.Overlay(bitstream))
    words = np.load(words_file)
    answers = board.exchange(words, int(num_answers))
    board.reset()
    again = board.exchange(words, int(num_answers))
    np.save(answers_file, answers)
    scratch = []
    registers = DecoderRegisters(board)
    for word in json.loads(register_words):
        registers.scratch.value = word
        scratch.append(
            [board.read_register(Address.SCRATCH), registers.scratch.value, int(board.decoder.register_map.SCRATCH)]
        )
    facts = {
        "python": list(sys.version_info[:2]),
        "pynq": pynq.__version__,
        "id": board.read_register(0),
        "graph_hash": board.decoder.graph_hash,
        "scratch": scratch,
        "clock_mhz": pynq.Clocks.fclk0_mhz,
        "arch": pynq.Device.active_device.arch,
        "addresses": {
            name: facts["phys_addr"] for name, facts in board.overlay.ip_dict.items() if "phys_addr" in facts
        },
        "repeatable": bool((answers == again).all()),
    }
    board.free()
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
