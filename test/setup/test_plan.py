"""What the set-up decides to make, from the facts of a machine."""

from envsetup.failures import SetupError
from envsetup.plan import decide, Machine
import pytest

PC = Machine('Linux', 'x86_64')
JETSON = Machine('Linux', 'aarch64')


@pytest.fixture
def prefix(tmp_path):
    """Return a folder that looks like a ROS 2 installation with rclpy."""
    marker = tmp_path / 'share/ament_index/resource_index/packages/rclpy'
    marker.parent.mkdir(parents=True)
    marker.touch()
    return tmp_path


@pytest.mark.parametrize(('environ', 'venv', 'distro'), [
    pytest.param({}, '.venv', 'jazzy', id='nothing is set'),
    pytest.param({'ROS_DISTRO': 'jazzy'}, '.venv', 'jazzy', id='jazzy by name'),
    pytest.param({'ROS_DISTRO': 'kilted'}, '.venv-kilted', 'kilted', id='kilted by name'),
    pytest.param({'ROS_DISTRO': 'kilted', 'AMENT_PREFIX_PATH': '/nowhere'}, '.venv-kilted',
                 'kilted', id='a prefix without rclpy is no ROS 2'),
])
def test_wheels_are_taken_where_no_ros_is_sourced(environ, venv, distro):
    plan = decide('/project', environ, PC, '', [])
    assert (plan.sourced, plan.venv, plan.distro) == (False, '/project/' + venv, distro)
    assert plan.onnxruntime == 'cpu'


@pytest.mark.parametrize(('distro', 'machine'), [
    ('humble', JETSON), ('jazzy', PC), ('kilted', PC), ('rolling', PC)])
def test_a_sourced_ros_is_used(prefix, distro, machine):
    environ = {'ROS_DISTRO': distro, 'AMENT_PREFIX_PATH': '/my/workspace:' + str(prefix)}
    plan = decide('/project', environ, machine, '', [])
    assert (plan.sourced, plan.venv, plan.distro) == (True, '/project/.venv', distro)
    assert plan.onnxruntime == 'system'


def test_our_own_environment_on_the_path_is_no_sourced_ros(prefix):
    (prefix / 'pyvenv.cfg').touch()
    environ = {'ROS_DISTRO': 'kilted', 'AMENT_PREFIX_PATH': str(prefix)}
    assert not decide('/project', environ, PC, '', []).sourced


@pytest.mark.parametrize(('environ', 'machine', 'sentence'), [
    pytest.param({'ROS_DISTRO': 'humble'}, PC, 'source /opt/ros/humble/setup.bash',
                 id='a distribution without wheels'),
    pytest.param({}, JETSON, 'Linux aarch64: install ROS 2 from its packages', id='arm64'),
    pytest.param({'ONNXRUNTIME': 'cuda'}, PC, "ONNXRUNTIME is 'cuda', and can be cpu, gpu",
                 id='an unknown ONNX Runtime'),
])
def test_what_cannot_be_set_up_is_refused_in_one_sentence(environ, machine, sentence):
    with pytest.raises(SetupError) as refused:
        decide('/project', environ, machine, '', [])
    assert sentence in str(refused.value)


def test_sets_come_in_one_order_and_once():
    assert decide('/p', {}, PC, '', ['training', 'test', 'test']).sets == ('test', 'training')
