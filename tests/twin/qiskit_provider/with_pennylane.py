"""What PennyLane's `qiskit.remote` measures on a served twin: <Z> of a turned qubit, one number an angle, as JSON.

Runs in an environment with PennyLane's plug-in, as `with_pennylane.py URL EMAIL PASSWORD ANGLE...`.
"""

import json
import sys
from typing import Any

import pennylane as qml

from twin.qiskit_provider import TwinProvider

SHOTS = 4000


def main(url: str, email: str, password: str, *angles: str) -> None:
    """Print the expectation values."""
    with TwinProvider(url, email, password) as provider:
        device = qml.device("qiskit.remote", wires=1, backend=provider.get_backend("ibm_jakarta_like"))

        @qml.set_shots(SHOTS)  # type: ignore[untyped-decorator, unused-ignore]
        @qml.qnode(device)  # type: ignore[untyped-decorator, unused-ignore]
        def turned(angle: float) -> Any:
            qml.RX(angle, wires=0)
            return qml.expval(qml.PauliZ(0))

        print(json.dumps([float(turned(float(angle))) for angle in angles]))


if __name__ == "__main__":
    main(*sys.argv[1:])
