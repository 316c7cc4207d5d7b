from genpose_ros.ros.input_watchdog import SilenceWatch


def make(now: list[float]) -> SilenceWatch:
    return SilenceWatch(["/depth", "/masks"], {"/depth": 1, "/masks": 0}.get, clock=lambda: now[0])


def test_a_silent_input_is_told_once_with_its_publishers_and_the_last_stamps():
    now = [0.0]
    watch = make(now)
    for second in range(1, 8):
        now[0] = float(second)
        watch.heard("/depth", second * 1_000_000_000 + 500_000_000)
        lines = watch.report(5.0)
        if second == 5:
            (line,) = lines
            assert line.startswith("nothing on /masks for 5.0 s (0 publishers); ")
            assert line.endswith("last stamps: /depth 5.500 s, /masks none")
        else:
            assert lines == []


def test_an_input_that_was_heard_again_is_told_again():
    now = [0.0]
    watch = make(now)
    now[0] = 10.0
    assert len(watch.report(5.0)) == 2
    watch.heard("/depth", 0)
    now[0] = 14.0
    assert watch.report(5.0) == []
    now[0] = 16.0
    assert len(watch.report(5.0)) == 1


def test_zero_turns_it_off():
    now = [0.0]
    watch = make(now)
    now[0] = 1e6
    assert watch.report(0.0) == []


def test_other_topics_are_ignored():
    watch = make([0.0])
    watch.heard("/else", 1)
    assert watch.report(5.0) == []
