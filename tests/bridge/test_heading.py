"""The sentences at the top of a report: they say what the exact test says, and no more."""

import pytest
from scipy.stats import binomtest

from bridge.heading import Duel, date_in_words, host_in_words, verdicts
from bridge.statistics import holm_significant


def duel(decoder: str, only_decoder: int, only_reference: int, both: int = 100) -> Duel:
    return Duel(decoder, "memory", 10_000, both + only_decoder, both + only_reference, only_decoder, only_reference)


@pytest.mark.parametrize(("only_decoder", "only_reference", "word"), [(40, 10, "more"), (10, 40, "fewer")])
def test_a_significant_difference_is_told_with_its_figures(only_decoder: int, only_reference: int, word: str) -> None:
    (sentence,) = verdicts([duel("table", only_decoder, only_reference)])
    p_value = binomtest(only_decoder, only_decoder + only_reference, 0.5).pvalue
    assert sentence == (
        f"table makes significantly {word} errors than PyMatching on the same shots "
        f"({100 + only_decoder} against {100 + only_reference} in 10,000 shots, p = {p_value:.2g})."
    )


def test_what_is_not_significant_is_no_difference() -> None:
    (sentence,) = verdicts([duel("table", 12, 10)])
    assert sentence.startswith("table shows no significant difference from PyMatching on the same shots (112 against")
    (sentence,) = verdicts([duel("pymatching", 0, 0)])
    assert sentence.startswith("pymatching is wrong on the same shots as PyMatching (100 against 100")


def test_several_memories_are_counted() -> None:
    found = verdicts([duel("a", 90, 10), duel("a", 10, 90), duel("a", 5, 5), duel("b", 5, 5), duel("b", 6, 5)])
    assert found == [
        "a makes significantly more errors than PyMatching on the same shots in 1 of 3 memories, and "
        "significantly fewer errors than PyMatching on the same shots in 1 of 3 memories; no significant difference "
        "in 1.",
        "b shows no significant difference from PyMatching on the same shots in any of 2 memories.",
    ]


def test_one_chance_hit_among_many_duels_is_not_significant() -> None:
    chance = duel("table", 22, 9)
    assert 0.01 < chance.p_value < 0.05
    assert "significantly more" in verdicts([chance])[0]
    many = verdicts([chance, *(duel(f"d{index}", 5, 5) for index in range(9))])
    assert "no significant difference" in many[0]


def test_holm_rejects_what_the_paper_s_rule_rejects() -> None:
    # step down: 0.01 <= 0.05/4, 0.015 <= 0.05/3, 0.03 > 0.05/2, and no more after that
    assert holm_significant([0.03, 0.01, 0.04, 0.015], 0.05) == {1, 3}
    assert holm_significant([], 0.05) == set()


def test_date_and_host_are_words() -> None:
    date = date_in_words(1_700_000_000)  # 14 November 2023, 22:13:20 UTC
    assert any(f"{day} November 2023" in date for day in (14, 15))
    assert "CPUs" in host_in_words()
