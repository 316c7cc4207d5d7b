# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images to messages and back."""

import numpy as np
import pytest
from cv_bridge import CvBridge, CvBridgeError
from std_msgs.msg import Header

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("encoding", "kind", "shape"),
    [
        ("mono8", np.uint8, (4, 5)),
        ("mono16", np.uint16, (4, 5)),
        ("16UC1", np.uint16, (4, 5)),
        ("32FC1", np.float32, (4, 5)),
        ("32SC1", np.int32, (4, 5)),
        ("rgb8", np.uint8, (4, 5, 3)),
        ("bgra8", np.uint8, (4, 5, 4)),
    ],
)
def test_an_image_survives_the_way_to_a_message_and_back(encoding, kind, shape):
    image = RNG.integers(0, 255, shape).astype(kind)
    message = CvBridge().cv2_to_imgmsg(image, encoding, Header(frame_id="camera"))
    assert (message.height, message.width, message.encoding) == (4, 5, encoding)
    assert message.step == image[0].nbytes
    assert bytes(message.data) == image.tobytes()
    back = CvBridge().imgmsg_to_cv2(message)
    assert back.dtype == kind
    np.testing.assert_array_equal(back, image)


def test_padding_and_byte_order_are_honoured():
    image = RNG.integers(0, 60000, (3, 4)).astype(np.uint16)
    message = CvBridge().cv2_to_imgmsg(image, "16UC1")
    padded = np.zeros((3, 5), dtype=">u2")
    padded[:, :4] = image
    message.step, message.is_bigendian, message.data = 10, 1, padded.tobytes()
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message), image)


def test_red_and_blue_change_places_between_rgb8_and_bgr8():
    image = RNG.integers(0, 255, (2, 2, 3), dtype=np.uint8)
    message = CvBridge().cv2_to_imgmsg(image, "rgb8")
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message, "bgr8"), image[..., ::-1])


def test_passthrough_names_the_type():
    assert CvBridge().cv2_to_imgmsg(np.zeros((1, 2, 3), np.uint8)).encoding == "8UC3"
    assert CvBridge().cv2_to_imgmsg(np.zeros((1, 2), np.uint16)).encoding == "16UC1"


def test_what_does_not_fit_is_refused():
    with pytest.raises(CvBridgeError):
        CvBridge().cv2_to_imgmsg(np.zeros((2, 2), np.float32), "mono8")
    with pytest.raises(TypeError):
        CvBridge().cv2_to_imgmsg([[1, 2]])
