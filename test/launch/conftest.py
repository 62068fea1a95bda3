"""Finds what the tests share; each test run has a ROS domain of its own."""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import claim_domain

claim_domain()
