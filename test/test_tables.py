"""Tables for the terminal: that they hold what was found."""

from io import StringIO

from rich.console import Console

from genpose_ros.datasets import Truth
from genpose_ros.estimation import FrameResult, Reason, Rejection
from genpose_ros.evaluation import FramesReport, InstanceReport
from genpose_ros.tables import print_report, print_result


def written(show, *arguments) -> str:
    stream = StringIO()
    show(*arguments, Console(file=stream, width=140))
    return stream.getvalue()


def report(category, truth, errors, rejection=None, handle_visible=None) -> InstanceReport:
    return InstanceReport(
        frame="kitchen",
        instance_id=4,
        category=category,
        truth=truth,
        errors=errors,
        handle_visible=handle_visible,
        estimate=None,
        rejection=rejection,
    )


def test_rejections_and_times_of_a_frame():
    rejection = Rejection(Reason.MASK_EMPTY, "the mask has no pixel", 7)
    text = written(print_result, FrameResult((), (rejection,), {"encode": 12.4}))
    assert "object 7 refused: mask_empty: the mask has no pixel" in text
    assert "encode 12" in text


def test_errors_medians_and_shares():
    text = written(
        print_report,
        FramesReport(
            (
                report("can", Truth.DATASET, (3.21, 1.46)),
                report("mug", Truth.DATASET, (7.0, 1.0), handle_visible=False),
                report("bowl", Truth.DATASET, None, rejection="too_few_points: why"),
            )
        ),
    )
    assert "3.2" in text
    assert "1.5" in text
    assert "mug (handle hidden)" in text
    assert "too_few_points: why" in text
    assert "67 %" in text  # two of three within 10 degrees and 2 cm
    assert "pseudo truth" not in text


def test_pseudo_truth_has_its_own_table():
    text = written(print_report, FramesReport((report("can", Truth.PSEUDO, (1.0, 1.0)),)))
    assert "pseudo truth" in text
    assert "ground truth" not in text
