"""The set-up's modules run on a bare Python, beside this environment: they are found by path."""

from pathlib import Path
import sys

SCRIPTS = Path(__file__).resolve().parents[2] / 'scripts'
sys.path.insert(0, str(SCRIPTS))
