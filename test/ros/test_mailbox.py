# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import threading
import time

import pytest

from genpose_ros.ros.mailbox import Mailbox


def test_the_newest_item_wins_and_the_others_are_counted():
    box: Mailbox[int] = Mailbox()
    assert [box.put(i) for i in range(4)] == [0, 1, 1, 1]
    assert box.get() == 3
    assert not box.put(9)


def test_items_that_come_together_are_fetched_in_their_order():
    box: Mailbox[int] = Mailbox()
    assert box.put(1, 2, 3) == 0
    assert [box.get(), box.get(), box.get()] == [1, 2, 3]
    assert box.empty


def test_newer_items_replace_those_that_came_together_and_are_left():
    box: Mailbox[int] = Mailbox()
    box.put(1, 2, 3)
    box.get()
    assert box.put(4, 5, 6) == 4
    assert (box.get(), box.empty) == (6, True)
    assert box.put(7, 8) == 0
    assert [box.get(), box.get()] == [7, 8]


def test_an_empty_mailbox_gives_nothing_after_the_timeout():
    box: Mailbox[int] = Mailbox()
    start = time.monotonic()
    assert box.get(timeout=0.05) is None
    assert time.monotonic() - start >= 0.04


def test_an_item_wakes_the_one_who_waits():
    box: Mailbox[str] = Mailbox()
    threading.Timer(0.05, box.put, ("late",)).start()
    assert box.get(timeout=10.0) == "late"


def test_closing_wakes_the_one_who_waits():
    box: Mailbox[str] = Mailbox()
    threading.Timer(0.05, box.close).start()
    start = time.monotonic()
    assert box.get(timeout=10.0) is None
    assert time.monotonic() - start < 5.0
    box.put("too late")
    assert box.closed
    assert box.get() is None


def test_clearing_tells_how_many_items_are_forgotten():
    box: Mailbox[int] = Mailbox(turns=(0, 1))
    box.put(1)
    box.put(2, 3, slot=1)
    assert [box.clear(), box.clear()] == [3, 0]
    assert box.get(timeout=0.0) is None


def test_no_item_is_lost_or_doubled_between_threads():
    box: Mailbox[int] = Mailbox()
    got: list[int] = []

    def fetch() -> None:
        while (item := box.get()) is not None:
            got.append(item)

    thread = threading.Thread(target=fetch)
    thread.start()
    replaced = sum(box.put(i) for i in range(1, 2001))
    while got[-1:] != [2000]:
        time.sleep(0.001)
    box.close()
    thread.join(5.0)
    assert got == sorted(set(got))
    assert len(got) + replaced == 2000


def test_slots_do_not_replace_each_other_and_take_turns():
    box: Mailbox[str] = Mailbox(turns=(0, 1))
    items = (("masks 1", 0), ("depth 1", 1), ("depth 2", 1), ("depth 3", 1))
    assert [box.put(item, slot=slot) for item, slot in items] == [0, 0, 1, 1]
    assert box.get() == "masks 1"
    box.put("masks 2", slot=0)
    assert [box.get(), box.get()] == ["depth 3", "masks 2"]
    assert box.empty
    box.put("depth 4", slot=1)
    assert box.get() == "depth 4"


@pytest.mark.parametrize("turns", [(0, 1), (0, 1, 1, 1), (1, 1, 0)])
def test_busy_slots_are_emptied_as_often_as_they_have_turns(turns):
    box: Mailbox[int] = Mailbox(turns)
    got = []
    for _ in range(3 * len(turns)):
        box.put(0, slot=0)
        box.put(1, slot=1)
        got.append(box.get())
    assert got == list(turns) * 3


def test_a_turn_of_an_empty_slot_is_passed():
    box: Mailbox[int] = Mailbox((0, 1, 1, 1))
    for slot in (1, 0, 0, 1, 0):
        box.put(slot, slot=slot)
        assert box.get() == slot
