"""The steps of a set-up, in order; each is stamped with a hash of what it is made from."""

from dataclasses import dataclass
import glob
from typing import Callable, List, Sequence, Tuple

from envsetup import interfaces, packages, programs, project, stamps
from envsetup.plan import Plan

TITLES = {
    'test': 'what the tests need', 'lint': 'the checkers', 'speech': 'speech',
    'training': 'PyTorch and what training needs'}


@dataclass(frozen=True)
class Step:
    """One thing to make, and what it is made from."""

    name: str
    title: str
    action: Callable[[Plan], None]
    files: Sequence[str]
    words: Tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """Return the stamp that says that this step was done with these inputs."""
        return stamps.fingerprint(self.words, self.files)


def steps(plan: Plan) -> List[Step]:
    """Return all steps that the plan asks for."""
    constraints = plan.path('requirements/constraints.txt')
    ros = plan.path('requirements/ros-{}.txt'.format(plan.distro))
    made = []

    def requirements(name: str, title: str, *names: str) -> None:
        files = [plan.path('requirements/{}.txt'.format(one)) for one in names]
        made.append(Step(name, title, lambda plan: packages.install(plan, title, files),
                         files + [constraints]))

    build = plan.path('requirements/build.txt')
    made.append(Step('build', 'build tools', lambda plan: packages.install_all(
        plan, 'the build tools', [build]), [build]))
    if not plan.sourced:
        made.append(Step(
            'ros', 'ROS 2 wheels', lambda plan: packages.install(plan, 'the ROS 2 wheels', [ros]),
            [ros, constraints]))
    made.append(Step('interfaces', 'vision_msgs', interfaces.provide, interfaces.inputs(plan) + (
        [] if plan.sourced else [ros])))
    requirements('runtime', 'numpy, OpenCV, aiohttp and others', 'runtime')
    made.append(Step('onnxruntime', 'ONNX Runtime', packages.install_onnxruntime,
                     glob.glob(plan.path('requirements/onnxruntime-*.txt')) + [constraints],
                     (plan.onnxruntime,)))
    made.append(Step('project', 'edge_vision', project.install, project.inputs(plan),
                     project.names(plan)))
    for name in plan.sets:
        requirements(name, TITLES[name], name)
    if 'test' in plan.sets:
        made.append(Step('browser', 'Chromium', programs.chromium, []))
        made.append(Step('espeak', 'espeak-ng', programs.espeak, []))
    return made
