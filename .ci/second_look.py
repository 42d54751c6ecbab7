"""pytest plugin: notes which tests were skipped, and later runs those only, on a machine that has more tools.

`--skipped-to FILE` writes a node id a line; `--only-from FILE` runs just these, and fails where one is skipped again
for a tool that could not be found. `--lacking NAME` is a tool that this system has no package of.
"""

from pathlib import Path

import pytest

MISSING = "is not installed", "is installed (Debian"
FROM_PYPI = "pip install"
"""A part that this Python does not have is no tool of the machine's."""


class SecondLook:
    """Skips of one run, seen by the process that controls it."""

    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Remember why a test, or a whole module, was skipped."""
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.skipped[report.nodeid] = reason


LOOK = SecondLook()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    parser.addoption("--skipped-to", type=Path, default=None, help="write the skipped tests to this file")
    parser.addoption("--only-from", type=Path, default=None, help="run only the tests that this file names")
    parser.addoption("--lacking", action="append", default=[], help="a tool that cannot be installed here")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test ended."""
    LOOK.note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A module was collected, or skipped as a whole."""
    LOOK.note(report)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not skipped before."""
    file: Path | None = config.getoption("only_from")
    if file is None:
        return
    wanted = {line for line in file.read_text().splitlines() if line}
    kept = [item for item in items if item.nodeid in wanted or item.nodeid.partition("::")[0] in wanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was skipped; or fail where a tool is still missing."""
    if hasattr(session.config, "workerinput"):
        return
    file: Path | None = session.config.getoption("skipped_to")
    if file is not None:
        file.write_text("".join(f"{name}\n" for name in LOOK.skipped))
    if session.config.getoption("only_from") is not None:
        again = [
            f"{name}: {why}"
            for name, why in LOOK.skipped.items()
            if any(words in why for words in MISSING)
            and FROM_PYPI not in why
            and not any(f"{tool} is not installed" in why for tool in session.config.getoption("lacking"))
        ]
        if again:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            print("\nskipped again:", *again, sep="\n  ")
