"""scripts/setup.sh: what a machine lacks is said at once, and nothing is installed."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("cat", "cksum", "cut", "date", "dirname", "du", "env", "find", "grep", "head", "mkdir", "rm", "sed", "sh",
         "sleep", "sort", "tail", "tr", "uname", "wc")  # fmt: skip
TIMEOUT_S = 120
LIBRARY = "" if [*Path("/usr/lib").glob("*/libpython3.1[123]*.so*")] else "libpython3-dev "
"""Where there is no Python to ask, the script looks whether its library is there."""
PERL_BASE = '#!/bin/sh\ncase "$*" in *FindBin*) echo "Can\'t locate FindBin.pm" >&2; exit 2 ;; esac\n'
"""What Debian's perl-base does."""
PYTHON_WITHOUT_VENV = f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"\n'
NO_LIBPYTHON = """
import ctypes
def refuse(name):
    raise OSError(name)
ctypes.CDLL = refuse
"""
STATIC = (
    NO_LIBPYTHON
    + """
import sysconfig
known = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 0 if name == "Py_ENABLE_SHARED" else known(name)
"""
)


class Machine:
    """A checkout, and a PATH that holds only what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.bin = folder / "my checkout", folder / "bin"
        self.site = folder / "site"
        for place in (self.checkout / "scripts", self.bin, self.site):
            place.mkdir(parents=True)
        for name in ("scripts/setup.sh", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self.checkout / name)
        for name in (*TOOLS, "g++", "make", "perl"):
            found = shutil.which(name)
            assert found is not None, name
            (self.bin / name).symlink_to(found)
        self.script("python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')

    def script(self, name: str, text: str) -> None:
        """Put a program on the PATH, in place of what has its name."""
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def without(self, *names: str) -> None:
        """Take programs from the PATH."""
        for name in names:
            (self.bin / name).unlink()

    def setup(self, use: str = "demo", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        environment = {"PATH": str(self.bin), "PYTHONPATH": str(self.site), "PIP_NO_INDEX": "1", "HOME": "/nonexistent"}
        return subprocess.run(
            [self.bin / "sh", str(self.checkout / "scripts/setup.sh"), use],
            env={**environment, **variables}, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def lines_and_command(error: str) -> tuple[list[str], str]:
    lines = [line.strip() for line in error.splitlines()]
    commands = [line for line in lines if line.startswith(("apt-get install", "dnf install", "brew install"))]
    return [line for line in lines if line.startswith("- ")], commands[0] if commands else ""


@pytest.mark.skipif(shutil.which("dnf") is not None or sys.platform == "darwin", reason="names Debian's packages")
@pytest.mark.parametrize(
    ("missing", "package"),
    [
        ("g++", "g++"),
        ("make", "make"),
        ("perl", "perl"),
        ("perl-base", "perl"),
        ("venv", "python3-venv"),
        ("libpython", "libpython3-dev"),
        ("python3", f"{LIBRARY}python3-venv"),
    ],
)
def test_one_missing_package_is_named_and_nothing_installed(machine: Machine, missing: str, package: str) -> None:
    if missing == "perl-base":
        machine.script("perl", PERL_BASE)
    elif missing == "venv":
        machine.script("python3", PYTHON_WITHOUT_VENV)
    elif missing == "libpython":
        (machine.site / "sitecustomize.py").write_text(NO_LIBPYTHON)
    else:
        machine.without(missing)
    done = machine.setup()
    assert done.returncode == 1
    lines, command = lines_and_command(done.stderr)
    assert len(lines) == 1
    assert command == f"apt-get install {package}"
    assert not (machine.checkout / ".venv").exists()


@pytest.mark.skipif(shutil.which("dnf") is not None or sys.platform == "darwin", reason="names Debian's packages")
def test_everything_that_is_missing_is_named_at_once(machine: Machine) -> None:
    machine.without("python3", "g++", "make", "perl")
    done = machine.setup()
    assert done.returncode == 1
    lines, command = lines_and_command(done.stderr)
    assert len(lines) == 4
    assert command == f"apt-get install g++ {LIBRARY}make perl python3-venv"


@pytest.mark.skipif(sys.platform == "darwin", reason="names Debian's packages")
def test_readme_names_what_the_script_asks_for(machine: Machine) -> None:
    machine.without("python3", "g++", "make", "perl")
    _, command = lines_and_command(machine.setup().stderr)
    readme = (ROOT / "README.md").read_text()
    (named,) = (part for part in readme.split("`") if part.startswith("apt-get install"))
    assert sorted(named.split()) == sorted({*command.split(), "libpython3-dev"})


def test_fedora_is_told_of_its_own_packages(machine: Machine) -> None:
    machine.without("g++", "perl")
    machine.script("dnf", "#!/bin/sh\nexit 1\n")
    machine.script("uname", "#!/bin/sh\necho Linux\n")
    assert lines_and_command(machine.setup().stderr)[1] == "dnf install gcc-c++ perl"


def test_macos_is_told_of_its_own_packages(machine: Machine) -> None:
    machine.without("g++", "python3")
    machine.script("uname", "#!/bin/sh\necho Darwin\n")
    error = machine.setup().stderr
    assert "xcode-select --install" in error
    assert lines_and_command(error)[1] == "brew install python@3.12"


@pytest.mark.parametrize("named", ["nosuch", "/bin/false"])
def test_named_interpreter_that_does_not_fit_is_refused(machine: Machine, named: str) -> None:
    done = machine.setup(PYTHON=named)
    assert done.returncode == 1
    assert f"PYTHON={named} is not Python 3.11, 3.12 or 3.13" in done.stderr
    assert lines_and_command(done.stderr)[1] == ""  # no package cures that


def test_python_built_without_libpython_is_the_reason_that_is_given(machine: Machine) -> None:
    (machine.site / "sitecustomize.py").write_text(STATIC)
    done = machine.setup()
    assert "was built without a shared libpython" in done.stderr
    assert "installing into .venv" in done.stdout  # the other links go on working


def test_failed_installation_says_so_and_is_tried_again(machine: Machine) -> None:
    for _ in range(2):
        done = machine.setup()  # without an index, and without wheels
        assert done.returncode == 1
        assert "the installation failed; the whole of it is in .venv/install.log" in done.stderr
        assert not (machine.checkout / ".venv/.installed").exists()


def test_what_is_installed_is_left_alone_until_its_place_or_its_pins_change(machine: Machine) -> None:
    program = machine.checkout / ".venv/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\ncase "$*" in *"-m pip"*) exit 0 ;; esac\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    pins = b"".join((machine.checkout / name).read_bytes() for name in ("requirements.lock", "pyproject.toml"))
    script = (machine.checkout / "scripts/setup.sh").read_bytes()
    cksum = subprocess.run(["cksum"], input=pins + script, capture_output=True, check=True).stdout.decode().strip()
    stamp = machine.checkout / ".venv/.installed"
    stamp.write_text(f"dev {cksum}\n{machine.checkout}\n")
    assert machine.setup("demo").stdout == ""
    assert machine.setup("dev").stdout == ""
    stamp.write_text(f"demo {cksum}\n{machine.checkout}\n")
    assert machine.setup("demo").stdout == ""
    assert "installing into .venv" in machine.setup("dev").stdout  # more is needed: into the same environment
    assert stamp.read_text().startswith("dev ")
    with (machine.checkout / "requirements.lock").open("a") as lock:
        lock.write("# another version\n")
    assert "installing into .venv" in machine.setup("demo").stdout
    moved = machine.checkout.rename(machine.checkout.with_name("moved"))
    machine.checkout = moved
    done = machine.setup("demo")  # launchers name the old place: made anew, and there is no index to make it from
    assert done.returncode == 1
    assert not (moved / ".venv/.installed").exists()
    assert "#!/bin/sh\ncase" not in (moved / ".venv/bin/python").read_text(errors="replace")
    assert os.access(moved / ".venv/bin/python", os.X_OK)


def test_two_installations_at_once_take_turns(machine: Machine) -> None:
    lock = machine.checkout / ".venv.lock"
    lock.mkdir()
    with subprocess.Popen(["sleep", "3"]) as other:
        (lock / "process").write_text(f"{other.pid}\n")
        threading.Thread(target=other.wait).start()  # a process that nobody waits for goes on as a zombie
        started = machine.setup()
        assert other.poll() is not None  # it was waited for
    assert f"waiting for another installation in {machine.checkout}" in started.stdout
    assert "the installation failed" in started.stderr  # without an index, but it was its turn
    assert not lock.exists()
