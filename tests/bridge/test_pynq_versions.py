"""The driver with the Python and the pynq of board images, both really installed, against simulated boards."""

import ast
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

pytest.importorskip("grpc", reason="pynq is not installed: pip install 'qtwin[pynq]'")

from bridge.boards.pynq.board import BoardSettings, board_project, running_board
from bridge.boards.pynq.logic import LogicLimits
from bridge.boards.pynq.overlay import simulated_overlay, write_overlay
from bridge.links.base import Deadlines, OpenedLink
from bridge.links.verilated import VerilatedLink
from hdl.boards.vivado.board import find_board
from tests.bridge.memory import Memory
from tests.environments import environment

ROOT = Path(__file__).resolve().parents[2]
CLIENT = Path(__file__).with_name("pynq_client.py")
TIMEOUT_S = 240
HIGH_WORDS = [0x7FFF_FFFF, 0x8000_0000, 0xDEAD_BEEF, 0xFFFF_FFFF]
LIMITS = LogicLimits(idle_cycles=2000, stall_s=0.0)
IMAGES = {"3.1.2": "3.10", "4.0.0": "3.12"}
"""pynq -> Python of images: Ubuntu 22.04 has 3.10."""
ADDED_IN_3_11 = {
    "typing": {"Self", "Never", "LiteralString", "assert_never", "assert_type", "Required", "NotRequired", "Unpack"},
    "enum": {"StrEnum", "ReprEnum", "verify", "member", "nonmember"},
    "datetime": {"UTC"},
    "contextlib": {"chdir"},
    "tomllib": {"load", "loads"},
}


@pytest.fixture(scope="session")
def driver_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("driver")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT / "scripts/board_driver")], check=True, capture_output=True, timeout=TIMEOUT_S)
    (wheel,) = folder.glob("qtwin_board_driver-*.whl")
    return wheel


@dataclass(frozen=True)
class Image:
    """Python and pynq of an image, with the driver's wheel installed."""

    pynq: str
    python: Path
    site: Path

    def run(self, *arguments: str, address: str = "") -> "subprocess.CompletedProcess[str]":
        """One at a time: pynq keeps what it knows of the last overlay beside itself."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        variables |= {"PYTHONPATH": str(self.site), "PYNQ_REMOTE_DEVICES": address}
        with FileLock(self.python.parents[1].with_suffix(".use"), timeout=TIMEOUT_S):
            return subprocess.run(
                [str(self.python), *arguments], cwd=self.site, env=variables,
                capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
            )  # fmt: skip


@pytest.fixture(scope="module", params=IMAGES)
def image(request: pytest.FixtureRequest, driver_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    version = request.param
    python = environment(IMAGES[version], [f"pynq=={version}", "numpy<2", "pycparser<3"])
    site = tmp_path_factory.mktemp("site")
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(driver_wheel)]
    subprocess.run([str(python), *install], check=True, capture_output=True, timeout=TIMEOUT_S)
    return Image(version, python, site)


def found_by_client(
    image: Image, memory: Memory, board_name: str, server: str, boot_pll_mhz: float | None = None
) -> tuple[dict[str, Any], np.ndarray[Any, np.dtype[np.uint32]]]:
    folder = memory.decoder.folder
    assert folder is not None
    with tempfile.TemporaryDirectory(prefix="qtwin-") as scratch:
        place = Path(scratch)
        settings = BoardSettings(
            folder, find_board(board_name), f"unix:{place}/board", overlay=place / "overlay", server=server,
            boot_pll_mhz=boot_pll_mhz, limits=LIMITS,
        )  # fmt: skip
        np.save(place / "words.npy", memory.words.ravel())
        with running_board(settings) as bitstream:
            done = image.run(
                str(CLIENT), str(bitstream), f"{place}/words.npy", str(len(memory.words)), f"{place}/answers.npy",
                json.dumps(HIGH_WORDS), address=settings.address,
            )  # fmt: skip
        assert done.returncode == 0, done.stderr
        facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return facts, np.load(place / "answers.npy")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board_name", "server", "arch", "addresses"),
    [
        ("pynq_z2", "3.1", "armv7l", {"axi_dma_0": 0x4040_0000, "decoder_0": 0x43C0_0000}),
        ("pynq_z2", "4.0", "armv7l", {"axi_dma_0": 0x4040_0000, "decoder_0": 0x43C0_0000}),
        ("zcu104", "3.1", "aarch64", {"axi_dma_0": 0xA000_0000, "decoder_0": 0xA001_0000}),
        ("rfsoc4x2", "4.0", "aarch64", {"axi_dma_0": 0xA000_0000, "decoder_0": 0xA001_0000}),
    ],
)
def test_driver_moves_the_right_words(
    image: Image, memory: Memory, board_name: str, server: str, arch: str, addresses: dict[str, int]
) -> None:
    facts, answers = found_by_client(image, memory, board_name, server)
    assert memory.decoder.folder is not None
    with OpenedLink(VerilatedLink(memory.decoder.folder, Deadlines())) as direct:
        np.testing.assert_array_equal(answers, direct.link.exchange(memory.words.ravel(), len(memory.words)))
    assert facts["python"] == [int(part) for part in IMAGES[image.pynq].split(".")]
    assert facts["pynq"] == image.pynq
    assert facts["id"] == 0x31534451
    assert facts["graph_hash"] == memory.problem.graph.graph_hash
    assert facts["scratch"] == [[word] * 3 for word in HIGH_WORDS]
    assert facts["clock_mhz"] == pytest.approx(memory.decoder.clock_mhz, rel=1e-4)
    assert facts["arch"] == arch
    assert facts["addresses"] == addresses
    assert facts["repeatable"]


@pytest.mark.slow
def test_clock_is_right_where_the_boot_image_has_another_pll(image: Image, memory: Memory) -> None:
    """pynq 3.1.2 alone would leave 150 MHz: it takes the design's divisors, for 1000 MHz."""
    facts, _ = found_by_client(image, memory, "kv260", "3.1", boot_pll_mhz=1500.0)
    assert facts["clock_mhz"] == pytest.approx(memory.decoder.clock_mhz, rel=1e-4)


@pytest.mark.slow
def test_driver_s_wheel_is_all_that_the_driver_needs(image: Image) -> None:
    """All that a board's program imports comes out of the wheel; none of qtwin's dependencies is needed."""
    done = image.run("-c", (
        "import sys\n"
        "for name in ('yaml', 'filelock', 'stim', 'scipy', 'pymatching'): sys.modules[name] = None\n"
        "import bridge.links.pynq.driver, hdl.registers.decoder_registers, qds1\n"
        "ours = [m for n, m in sys.modules.items() if n.split('.')[0] in ('bridge', 'hdl', 'qds1', 'twin', 'qtwin')]\n"
        "print(*(m.__file__ for m in ours))\n"
    ))  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = done.stdout.split()
    assert len(files) > 10
    assert all(Path(file).is_relative_to(image.site) for file in files)


@pytest.mark.slow
@pytest.mark.parametrize(("board_name", "server"), [("pynq_z2", "3.1"), ("zcu104", "4.0")])
def test_link_of_a_host_with_pynq_3_1(memory: Memory, tmp_path: Path, board_name: str, server: str) -> None:
    """qtwin's own Python, with the older pynq found before the other."""
    python = environment(f"{sys.version_info[0]}.{sys.version_info[1]}", ["pynq==3.1.2", "numpy<2", "pycparser<3"])
    (site,) = python.parents[1].glob("lib/python3*/site-packages")
    folder = memory.decoder.folder
    assert folder is not None
    np.save(tmp_path / "words.npy", memory.words.ravel())
    program = (
        "import sys, pathlib, numpy as np, pynq\n"
        "from bridge.links.base import Deadlines, OpenedLink\n"
        "from bridge.links.pynq.link import PynqLink\n"
        "from hdl.compile.manifest import DecoderFolder\n"
        "decoder, argument, words, num_answers, answers = sys.argv[1:]\n"
        "with OpenedLink(PynqLink(DecoderFolder(pathlib.Path(decoder)), argument, Deadlines())) as opened:\n"
        "    np.save(answers, opened.link.exchange(np.load(words), int(num_answers)))\n"
        "    opened.link.write_register(0x05C, 0xDEADBEEF)\n"
        "    print(pynq.__version__, hex(opened.link.read_register(0x05C)))\n"
    )
    arguments = [str(folder.path), f"simulated,board={board_name},server={server}", str(tmp_path / "words.npy")]
    with FileLock(python.parents[1].with_suffix(".use"), timeout=TIMEOUT_S):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments, str(len(memory.words)), str(tmp_path / "answers.npy")],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"},
            capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["3.1.2", "0xdeadbeef"]
    with OpenedLink(VerilatedLink(folder, Deadlines())) as direct:
        expected = direct.link.exchange(memory.words.ravel(), len(memory.words))
    np.testing.assert_array_equal(np.load(tmp_path / "answers.npy"), expected)


@pytest.mark.slow
def test_driver_and_handoff_suit_kria_s_pynq_3_0(memory: Memory, driver_wheel: Path, tmp_path: Path) -> None:
    """Kria-PYNQ has pynq 3.0.1, which knows no remote boards: it imports the driver and reads the handoff, no more."""
    python = environment("3.10", [
        "pynq==3.0.1", "pynqmetadata==0.1.2", "pynqutils==0.1.1", "numpy<2", "pycparser<3", "pydantic<2", "ipython",
    ])  # fmt: skip
    site = tmp_path / "site"
    image = Image("3.0.1", python, site)
    site.mkdir()
    installed = image.run(
        "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "-t", str(site), str(driver_wheel)
    )
    assert installed.returncode == 0, installed.stderr
    board, folder = find_board("kv260"), memory.decoder.folder
    assert folder is not None
    bitstream = write_overlay(simulated_overlay(board_project(folder, board), board), tmp_path)
    done = image.run("-c", (
        "import json, sys, pynq\n"
        "from bridge.links.pynq.driver import DecoderIP, design\n"
        "from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser\n"
        "from pynqmetadata.frontends import Metadata\n"
        "found = RuntimeMetadataParser(Metadata(input=sys.argv[1])).ip_dict\n"
        "print(json.dumps([pynq.__version__, found['decoder_0']['type'] in DecoderIP.bindto,"
        " found['axi_dma_0']['phys_addr'], found['decoder_0']['phys_addr'],"
        " float(found['zynq_ultra_ps_e_0']['parameters'][design.CLOCK_PARAMETER])]))\n"
    ), str(bitstream.with_suffix(".hwh")))  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = ["3.0.1", True, 0xA000_0000, 0xA001_0000, memory.decoder.clock_mhz]
    assert json.loads(done.stdout.splitlines()[-1]) == expected


def test_driver_s_wheel_is_for_python_3_10(driver_wheel: Path) -> None:
    """By syntax and by names; the slow tests run it."""
    with zipfile.ZipFile(driver_wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith("/METADATA"))
        sources = {name: archive.read(name).decode() for name in names if name.endswith(".py")}
    assert "Requires-Python: >=3.10" in metadata
    assert {"bridge/links/pynq/driver.py", "qds1/__init__.py", "hdl/registers/access.py"} <= set(sources)
    for name, text in sources.items():
        tree = ast.parse(text, feature_version=(3, 10))
        typed = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
        only_typed = {id(inner) for node in typed for inner in ast.walk(node)}
        late = [
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and id(node) not in only_typed
            for alias in node.names
            if alias.name in ADDED_IN_3_11.get(node.module or "", ())
        ]
        assert late == [], name
