# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The toy model of `toy_models`, as a fixture."""

from types import SimpleNamespace

import pytest
from toy_models import CAMERA, POSE, MixtureModel, make_frame, make_model


@pytest.fixture
def toy() -> SimpleNamespace:
    return SimpleNamespace(
        Model=MixtureModel, model=make_model, frame=make_frame, camera=CAMERA, pose=POSE
    )
