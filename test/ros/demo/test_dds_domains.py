# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""DDS domains of demos and test runs: no two that run at a time have the same one."""

import os
import subprocess
import sys

import pytest

from genpose_ros.ros.demo import dds_domains
from genpose_ros.ros.demo.dds_domains import claim_domain

HOLDER = """
import pathlib, sys
from genpose_ros.ros.demo.dds_domains import claim_domain
print(claim_domain(17, pathlib.Path(sys.argv[1])), flush=True)
input()
"""


@pytest.fixture(autouse=True)
def _own_claims(monkeypatch):
    """What a test claims is free after it."""
    claimed: list[int] = []
    monkeypatch.setattr(dds_domains, "_claimed", claimed)
    yield
    for descriptor in claimed:
        os.close(descriptor)


def test_a_domain_that_another_process_holds_is_not_taken_until_it_has_ended(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "17\n"
        assert claim_domain(17, tmp_path) == 18
        assert claim_domain(17, tmp_path) == 19
        other.kill()
    assert claim_domain(17, tmp_path) == 17


def test_every_domain_is_claimed_once_and_then_there_is_none(tmp_path):
    claimed = [claim_domain(500 + n, tmp_path) for n in range(101)]
    assert sorted(claimed) == list(range(1, 102))
    with pytest.raises(RuntimeError, match="all 101 DDS domains are claimed"):
        claim_domain(1, tmp_path)


def test_this_run_has_claimed_its_own():
    domain = int(os.environ["ROS_DOMAIN_ID"])
    assert claim_domain(domain) != domain
