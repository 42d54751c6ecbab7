"""The order of the queue: users take turns; positions say when a job's turn comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twin.jobs.order import FairOrder


def test_users_take_turns() -> None:
    order = FairOrder()
    for job_id in ("a1", "a2", "a3", "b1", "b2", "c1"):
        order.add(job_id[0], job_id)
    assert [order.pop() for _ in range(7)] == ["a1", "b1", "c1", "a2", "b2", "a3", None]


def test_one_user_is_served_first_come_first_served() -> None:
    order = FairOrder()
    for job_id in ("1", "2", "3"):
        order.add("", job_id)
    assert order.remove("2")
    assert not order.remove("2")
    assert [order.pop(), order.pop(), order.pop()] == ["1", "3", None]


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.integers(0, 10))
def test_a_position_is_the_number_of_the_pop(users: list[str], popped: int) -> None:
    order = FairOrder()
    for index, user in enumerate(users):
        order.add(user, f"{user}{index}")
    for _ in range(popped):
        order.pop()
    told = {f"{user}{index}": order.position(f"{user}{index}") for index, user in enumerate(users)}
    for turn in range(1, len(order) + 1):
        job_id = order.pop()
        assert job_id is not None
        assert told.pop(job_id) == turn
    assert set(told.values()) <= {None}
