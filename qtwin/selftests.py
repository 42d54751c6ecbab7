"""Runs the self-test for the command line: finds the decoder, prints each stage as it ends."""

from bridge.links import default_link, make_link
from bridge.links.base import Deadlines
from bridge.loop import LoopSettings
from bridge.selftest import Subject, run_selftest
from qtwin.boards import session_decoder
from qtwin.loops import TwinChoice, one_message
from qtwin.terminal import Console


def selftest_link(settings: LoopSettings, backend_id: str | None, twin_choice: TwinChoice) -> bool:
    """Test the decoder at the other end of `settings.link`; returns whether every stage passed."""
    console, errors = Console(), Console(stderr=True)
    with one_message(errors):
        decoder = session_decoder(settings, backend_id, twin_choice)
        name = settings.link or default_link(decoder)
        link = make_link(name, decoder, decoder.problem, Deadlines())
        console.print(f"{decoder.name} over {name}", markup=False, highlight=False)
        passed = True
        for outcome in run_selftest(Subject(link, decoder)):
            passed = passed and outcome.passed
            mark = "[green]ok[/]    " if outcome.passed else "[bold red]FAILED[/]"
            console.print(mark, end=" ")
            console.print(f"{outcome.stage:<15} {outcome.finding}", markup=False, highlight=False, soft_wrap=True)
            if outcome.remedy:
                console.print(f"       what to do: {outcome.remedy}", markup=False, highlight=False, soft_wrap=True)
    return passed
