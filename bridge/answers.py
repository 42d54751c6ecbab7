"""Checks that what a decoder answered is one CORRECTION for each shot, and explains what it is when not."""

import numpy as np

from bridge.errors import ProtocolError
from qds1 import Corrections, FaultCode, Kind, Qds1Error, decode_corrections, parse, split_header
from qds1.shots import Words

KINDS = frozenset(Kind)


def checked_corrections(answers: Words, first_shot: int, num_shots: int, num_observables: int) -> Corrections:
    """The corrections of consecutive shots.

    Args:
        answers: uint32, one axis, as a link gave them.
        first_shot, num_shots: which shots were sent.
        num_observables: bits of flips in each.

    Raises:
        ProtocolError: they are not one CORRECTION for each shot, in order; says what stands there instead.
    """
    try:
        corrections = decode_corrections(answers, num_observables)
    except Qds1Error as error:
        raise ProtocolError(second_answer(answers, first_shot) or _explain(answers, error)) from error
    expected = (first_shot + np.arange(num_shots)) & 0xFFFF
    if corrections.tags.shape != expected.shape or (corrections.tags != expected).any():
        raise ProtocolError(
            second_answer(answers, first_shot)
            or f"the decoder's answers carry tags {corrections.tags[:4].tolist()}… for {num_shots} shots "
            f"tagged {expected[:4].tolist()}…; each answer must carry its shot's tag, in order"
        )
    return corrections


def tags_of_answers(words: Words) -> list[int]:
    """Tags of the whole answers, FRAMEs left out, up to the first word that begins no message."""
    position, tags = 0, []
    while position < words.size:
        kind, num_payload_words, tag = split_header(int(words[position]))
        if kind not in KINDS:
            break
        position += 1 + num_payload_words
        if kind != Kind.FRAME and position <= words.size:
            tags.append(tag)
    return tags


def second_answer(words: Words, first_shot: int) -> str | None:
    """Says so where the first answer that is out of order is one to the shot before; None where it is not."""
    for shot, tag in enumerate(tags_of_answers(words), first_shot):
        if tag != shot & 0xFFFF:
            if shot == 0 or tag != (shot - 1) & 0xFFFF:
                break
            return (
                f"the decoder gave another CORRECTION for tag {tag} after the shot was answered; "
                "each shot is answered once"
            )
    return None


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
