# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from genpose_ros.ros.input_watchdog import InputState, InputWatchdog


def make(now: list[float], optional: tuple[str, ...] = ()) -> InputWatchdog:
    publishers = {"/depth": 1, "/masks": 0, "/detections": 0}
    topics = ["/depth", "/masks", *optional]
    return InputWatchdog(topics, publishers.__getitem__, optional, clock=lambda: now[0])


def test_a_silent_input_is_reported_once_with_its_publishers_and_the_last_stamps():
    now = [0.0]
    watch = make(now)
    for second in range(1, 8):
        now[0] = float(second)
        watch.note_message("/depth", second * 1_000_000_000 + 500_000_000)
        line = watch.report(5.0)
        if second == 5:
            assert line.startswith("nothing on /masks for 5.0 s (0 publishers); ")
            assert line.endswith("last stamps: /depth 5.500 s, /masks none")
        else:
            assert line == ""


def test_an_input_that_falls_silent_again_is_reported_again():
    now = [0.0]
    watch = make(now)
    now[0] = 10.0
    line = "nothing on /depth for 10.0 s (1 publisher), /masks for 10.0 s (0 publishers); "
    assert watch.report(5.0) == f"{line}last stamps: /depth none, /masks none"  # one line for both
    watch.note_message("/depth", 0)
    now[0] = 14.0
    assert watch.report(5.0) == ""
    now[0] = 16.0
    assert watch.report(5.0).startswith("nothing on /depth for 6.0 s (1 publisher); ")


def test_a_timeout_of_zero_turns_reports_off():
    now = [0.0]
    watch = make(now)
    now[0] = 1e6
    assert watch.report(0.0) == ""


def test_messages_on_other_topics_are_ignored():
    watch = make([0.0])
    watch.note_message("/else", 1)
    assert watch.report(5.0) == ""


def test_messages_are_counted_and_an_optional_input_may_be_silent():
    now = [0.0]
    watch = make(now, optional=("/detections",))
    for stamp_ns in (7, 8):
        watch.note_message("/depth", stamp_ns)
    now[0] = 2.0
    watch.note_message("/masks", 9)
    now[0] = 3.0
    assert watch.inputs == (
        InputState("/depth", required=True, count=2, silent_s=3.0, stamp_ns=8),
        InputState("/masks", required=True, count=1, silent_s=1.0, stamp_ns=9),
        InputState("/detections", required=False, count=0, silent_s=3.0, stamp_ns=None),
    )
    assert watch.silent_inputs(2.5) == "nothing on /depth for 3.0 s (1 publisher)"


def test_why_nothing_can_be_received_is_said():
    now = [0.0]
    watchdog = InputWatchdog(
        ["/depth"],
        lambda _: 1,
        problem=lambda _: "it is published as X, not Y",
        clock=lambda: now[0],
    )
    now[0] = 6.0
    assert "(1 publisher: it is published as X, not Y); last stamps" in watchdog.report(5.0)


def test_a_latched_input_that_was_heard_once_is_not_silent_but_one_that_broke_off_is():
    now = [0.0]
    topics = ["/info", "/depth"]
    watch = InputWatchdog(topics, lambda _: 1, latched=lambda _: True, clock=lambda: now[0])
    now[0] = 6.0
    assert watch.silent_inputs(5.0).count(" for 6.0 s ") == 2  # nothing was heard
    watch.note_message("/info", 1)
    for second in range(6, 12):
        now[0] = float(second)
        watch.note_message("/depth", second)
    now[0] = 20.0
    assert watch.report(5.0).startswith("nothing on /depth for 9.0 s")
    assert watch.silent_inputs(5.0) == "nothing on /depth for 9.0 s (1 publisher)"
