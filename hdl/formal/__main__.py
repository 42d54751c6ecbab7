"""`python -m hdl.formal [MODULE ...]`: prove the properties of every module, or of those named."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hdl.compile.decoder import TOP
from hdl.compile.samples import sample_decoders
from hdl.errors import HdlError
from hdl.formal.proofs import PROOFS, prove, prove_decoder


def main() -> int:
    """Prove, print a line each; 1 when one was not proved."""
    modules = [*dict.fromkeys(proof.module for proof in PROOFS), TOP]
    parser = argparse.ArgumentParser(prog="python -m hdl.formal", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(modules)}; default: all")
    chosen = parser.parse_args().modules or modules
    unknown = sorted({*chosen} - {*modules})
    if unknown:
        parser.error(f"nothing is claimed about {', '.join(unknown)}; choose of {', '.join(modules)}")
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, run in _todo(chosen, Path(scratch)):
            start = time.monotonic()
            try:
                run()
                outcome = "proved"
            except HdlError as error:
                outcome, failed = f"NOT PROVED: {error}", failed + 1
            print(f"{name}: {outcome} ({time.monotonic() - start:.0f} s)", flush=True)
    return 1 if failed else 0


def _todo(chosen: list[str], scratch: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    for proof in PROOFS:
        if proof.module in chosen:
            yield proof.name, partial(prove, proof)
    if TOP in chosen:
        for name, compiled in sample_decoders(scratch).items():
            yield f"{TOP} ({name})", partial(prove_decoder, compiled())


if __name__ == "__main__":
    sys.exit(main())
