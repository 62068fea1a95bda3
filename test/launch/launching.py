"""Starts launch/nano.launch.py as `ros2 launch` does, with the real programs or with stand-ins."""

from __future__ import annotations

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile

from support import REPO, wait_for

LAUNCHER = """
import json, sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
file, arguments, settings = json.loads(sys.argv[1])
service = LaunchService()
service.context.launch_configurations.update(settings)
service.include_launch_description(IncludeLaunchDescription(
    PythonLaunchDescriptionSource(file), launch_arguments=arguments))
sys.exit(service.run())
"""

# Stands in for every program: writes down how it was started, then ends or waits for the end.
STAND_IN = """
import os, signal  # first of all, as the other imports take their time
signal.signal(signal.SIGINT, lambda *_: os._exit(0))
import json, sys, time
name = os.path.basename(sys.argv[1])
folder = os.environ['STAND_IN_FOLDER']
with open(os.path.join(folder, name + '.new'), 'w') as file:
    json.dump({'words': sys.argv[2:], 'pid': os.getpid(), 'profile': [os.environ.get(
        v + '_DEFAULT_PROFILES_FILE') for v in ('FASTDDS', 'FASTRTPS')]}, file)
os.replace(file.name, os.path.join(folder, name))
code = json.loads(os.environ.get('STAND_IN_CODES', '{}')).get(name)
time.sleep(60 if code is None else 1)  # the others have started by then
sys.exit(code)
"""


class Launched:
    """A running launch; used with `with`, so that nothing of it is left."""

    def __init__(self, folder: Path, arguments=None, stand_in: bool = False, codes=None,
                 environment=None):
        """
        Launch with the arguments (a dict).

        stand_in: programs that only tell how they were started; codes: the exit codes of those
        that end at once, by name.
        """
        self._folder = folder
        settings = {}
        if stand_in:
            script = folder / 'stand_in.py'
            script.write_text(STAND_IN)
            settings['launch-prefix'] = f'{sys.executable} {script}'
        request = [str(REPO / 'launch' / 'nano.launch.py'), list((arguments or {}).items()),
                   settings]
        own = {name: value for name, value in os.environ.items()
               if not name.endswith('_DEFAULT_PROFILES_FILE')}
        env = dict(own, STAND_IN_FOLDER=str(folder), ROS_LOG_DIR=str(folder / 'log'),
                   STAND_IN_CODES=json.dumps(codes or {}), **(environment or {}))
        self._out = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            [sys.executable, '-c', LAUNCHER, json.dumps(request)], env=env,
            stdout=self._out, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def output(self) -> str:
        """Everything written up to now."""
        return os.pread(self._out.fileno(), 1 << 20, 0).decode(errors='replace')

    def says(self, text: str) -> str:
        """Wait for a line with `text`; gives it."""
        def line():
            over = self.process.poll() is not None
            found = next((x for x in self.output.splitlines() if text in x), None)
            assert found or not over, f'launch ended before it said {text!r}\n{self.output}'
            return found
        return wait_for(line, f'launch says {text!r}', detail=lambda: self.output)

    def started(self, *names: str):
        """Wait until the stand-ins of these names, and no others, run; gives what each tells."""
        files = [self._folder / name for name in names]
        def are_there():
            over = self.process.poll() is not None
            there = all(file.exists() for file in files)
            assert there or not over, f'launch ended before {names} ran\n{self.output}'
            return there
        wait_for(are_there, f'{names} are started', detail=lambda: self.output)
        told = {file.name: json.loads(file.read_text()) for file in files}
        assert self.output.count('process started with pid') == len(names), self.output
        return told

    def ended(self, limit_s: float = 20.0) -> int:
        """Wait for the end of launch; gives its exit code."""
        return self.process.wait(limit_s)

    def interrupted(self, limit_s: float = 5.0) -> int:
        """Press Ctrl-C, which reaches launch and all that it has started; gives the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.ended(limit_s)

    def others(self):
        """Process ids in the group of launch, its own aside."""
        found = []
        for stat in Path('/proc').glob('[0-9]*/stat'):
            try:
                fields = stat.read_text().rpartition(')')[2].split()
            except OSError:
                continue
            if int(fields[2]) == self.process.pid and fields[0] != 'Z':
                found.append(int(stat.parent.name))
        return [pid for pid in found if pid != self.process.pid]

    def __enter__(self):
        """Give the launch itself."""
        return self

    def __exit__(self, *_):
        """End what still runs, and show what was written where the test fails."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        print(self.output)
