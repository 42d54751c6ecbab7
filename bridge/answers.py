"""Checks that what a decoder answered is one CORRECTION for each shot, and explains what it is when not."""

from itertools import pairwise

import numpy as np

from bridge.errors import ProtocolError
from qds1 import Corrections, FaultCode, Kind, Qds1Error, decode_corrections, parse, split_header
from qds1.shots import Words


def checked_corrections(answers: Words, first_shot: int, num_shots: int, num_observables: int) -> Corrections:
    """The corrections of consecutive shots.

    Args:
        answers: uint32, one axis, as a link gave them.
        first_shot, num_shots: which shots were sent.
        num_observables: bits of flips in each.

    Raises:
        ProtocolError: they are not one CORRECTION for each shot, in order; says what stands there instead.
    """
    before = first_shot - 1 if first_shot else None
    try:
        corrections = decode_corrections(answers, num_observables)
    except Qds1Error as error:
        raise ProtocolError(second_answer(answers, before) or _explain(answers, error)) from error
    expected = (first_shot + np.arange(num_shots)) & 0xFFFF
    if corrections.tags.shape != expected.shape or (corrections.tags != expected).any():
        raise ProtocolError(
            second_answer(answers, before)
            or f"the decoder's answers carry tags {corrections.tags[:4].tolist()}… for {num_shots} shots "
            f"tagged {expected[:4].tolist()}…; each answer must carry its shot's tag, in order"
        )
    return corrections


def tags_of_answers(words: Words) -> list[int]:
    """Tags of the whole answers, FRAMEs left out, up to the first word that is 0 or no message."""
    position, tags = 0, []
    while position < words.size and words[position]:
        kind, num_payload_words, tag = split_header(int(words[position]))
        position += 1 + num_payload_words
        if kind != Kind.FRAME and position <= words.size:
            tags.append(tag)
    return tags


def second_answer(words: Words, before: int | None = None) -> str | None:
    """Says so where an answer has the tag of the one before it; None where none has. before: tag of the last one."""
    tags = ([] if before is None else [before & 0xFFFF]) + tags_of_answers(words)
    twice = next((tag for tag, after in pairwise(tags) if tag == after), None)
    if twice is None:
        return None
    return (
        f"the decoder gave another CORRECTION for tag {twice} after the shot was answered; each shot is answered once"
    )


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
