"""The page of parameters says what the code says."""

from pathlib import Path
import subprocess
import sys

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_is_what_the_script_writes():
    program = 'import parameters_page; print(parameters_page.page(), end="")'
    done = subprocess.run([sys.executable, '-c', program], cwd=ROOT / 'scripts',
                          capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == (ROOT / 'docs' / 'parameters.md').read_text(), (
        'run scripts/parameters_page.py')
