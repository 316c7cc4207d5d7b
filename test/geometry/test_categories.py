# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Names and numbers of the categories."""

import pytest

from genpose_ros.geometry import CATEGORIES, category_id, category_name


def test_class_ids_are_those_of_nocs():
    assert [category_id(name) for name in CATEGORIES] == [1, 2, 3, 4, 5, 6]
    assert (category_name(1), category_name(4), category_name(6)) == ("bottle", "can", "mug")
    assert [category_name(category_id(name)) for name in CATEGORIES] == list(CATEGORIES)


def test_unknown_names_and_ids_are_refused():
    with pytest.raises(ValueError, match="unknown category 'cup'; expected one of bottle"):
        category_id("cup")
    for class_id in (0, 7, -1):
        with pytest.raises(ValueError, match="expected 1 to 6"):
            category_name(class_id)
