"""Parameters: what a user may write, and the file that is shipped."""

from __future__ import annotations

from dataclasses import dataclass, fields

from edge_vision.core.errors import UserError
from edge_vision.nodes.camera_node import CameraParameters
from edge_vision.nodes.detector_node import DetectorParameters
from edge_vision.nodes.gesture_node import GestureParameters
from edge_vision.nodes.overlay_node import OverlayParameters
from edge_vision.nodes.parameters import (
    check_range,
    coerce,
    from_ros,
    names_of,
    parameter,
    Parameters,
    refuse_unknown,
    Spec,
    to_ros,
)
from edge_vision.nodes.speech_node import SpeechParameters
import pytest
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from support import REPO
import yaml

KINDS = {'camera': CameraParameters, 'detector': DetectorParameters, 'gesture': GestureParameters,
         'speech': SpeechParameters, 'overlay': OverlayParameters}


@pytest.mark.parametrize('given, default, wanted', [
    (0, 'demo:', '0'), (1.5, '', '1.5'), ('x', '', 'x'),
    (1, 0.5, 1.0), (0.25, 0.5, 0.25), (7, 1, 7), (True, False, True),
    ('person', (), ['person']), (['a', 'b'], (), ['a', 'b']), ([1, 2], (), ['1', '2']),
    ([], (), ['']), ((), ('auto',), ['']),
])
def test_values_that_mean_what_they_say(given, default, wanted):
    got = coerce('p', given, default)
    assert got == wanted and type(got) is type(wanted)


@pytest.mark.parametrize('given, default, kind', [
    ('abc', 1, 'a whole number'), (1.5, 1, 'a whole number'), (True, 1, 'a whole number'),
    ('fast', 0.5, 'a number'), (False, 0.5, 'a number'), (1, True, 'true or false'),
    ('yes', True, 'true or false'), (True, 'demo:', 'text'), ([1], 'demo:', 'text'),
    (5, ('auto',), 'a list of texts'), (True, (), 'a list of texts')])
def test_values_of_another_type_are_refused(given, default, kind):
    with pytest.raises(UserError) as caught:
        coerce('p', given, default)
    assert f"'p' wants {kind}" in str(caught.value) and repr(given) in str(caught.value)


@pytest.mark.parametrize('value, is_good', [
    (0, True), (1, True), (0.5, True), (-0.001, False), (1.001, False), (float('nan'), False),
    (float('inf'), False)])
def test_ranges_hold_their_ends(value, is_good):
    spec = Spec('', 0, 1)
    if is_good:
        check_range('p', value, spec)
    else:
        with pytest.raises(UserError, match="'p' must be from 0 to 1"):
            check_range('p', value, spec)


@pytest.mark.parametrize('default', [(), ('a',), ('a', 'b')])
def test_arrays_are_never_empty_for_ros_and_come_back(default):
    assert to_ros(default)
    assert from_ros(to_ros(default), default) == default


def test_blank_entries_do_not_count():
    assert from_ros(['', ' dog ', '  '], ()) == ('dog',)


def test_unknown_names_are_refused_with_the_nearest_one():
    with pytest.raises(UserError, match="did you mean 'source'"):
        refuse_unknown('camera', ['sourc'], ['source', 'width'])
    with pytest.raises(UserError, match='it knows source, width'):
        refuse_unknown('camera', ['zzz'], ['source', 'width'])


def test_what_rclpy_and_other_nodes_know_is_let_through():
    refuse_unknown('camera', ['use_sim_time', 'qos_overrides./image_raw.publisher.depth', 'port'],
                   ['source'], ['port'])


def test_names_of():
    names = names_of(*KINDS.values())
    assert len(names) == len(set(names)) and {'source', 'model', 'port'} <= set(names)


@pytest.mark.parametrize('name', list(KINDS))
def test_every_parameter_is_described_and_its_default_allowed(name):
    for item in fields(KINDS[name]):
        spec = item.metadata['spec']
        assert spec.description
        check_range(item.name, item.default, spec)
        assert coerce(item.name, item.default, item.default) in (item.default,
                                                                 to_ros(item.default))


@pytest.mark.parametrize('name, wanted', [
    ('camera', 'source width height fps frame_id camera_info_url loop reconnect_s'),
    ('detector', 'model score_threshold iou_threshold max_detections classes providers threads '
     'track'),
    ('gesture', 'model fingertip_model rate_hz score_threshold stable_s'),
    ('speech', 'engine language rate cooldown_s device phrases'),
    ('overlay', 'host port jpeg_quality token max_clients')])
def test_the_parameters_of_the_contract_are_there(name, wanted):
    assert set(wanted.split()) <= set(names_of(KINDS[name]))


@pytest.mark.parametrize('name', list(KINDS))
def test_the_shipped_file_says_what_the_nodes_say(name):
    """A line that names nothing, or another default than the node has, would mislead."""
    text = (REPO / 'config' / 'nano.yaml').read_text()
    section = yaml.safe_load(text)[f'/**/{name}']['ros__parameters']
    defaults = {item.name: item.default for item in fields(KINDS[name])}
    for key, value in section.items():
        assert key in defaults, f'{name} has no parameter {key}'
        default = defaults[key]
        assert from_ros(coerce(key, value, default), default) == default, key
        assert type(value) is type(to_ros(default)), f'{key} would change its type'


def test_the_shipped_file_has_no_other_sections():
    sections = yaml.safe_load((REPO / 'config' / 'nano.yaml').read_text())
    assert set(sections) == {f'/**/{name}' for name in KINDS}


@dataclass(frozen=True)
class Few:
    """Parameters of a node of this test."""

    gain: float = parameter(0.5, 'gain', 0.0, 1.0, live=True)
    names: tuple = parameter((), 'names', live=True)
    fixed: int = parameter(3, 'fixed', 1, 9)
    file: str = parameter('', 'file', live=True, again=True)


@pytest.fixture
def few():
    """Give a maker of nodes with `Few`, with what was given and what on_change saw."""
    import rclpy
    context = Context()
    rclpy.init(args=[], context=context)
    nodes = []

    def make(refuse='', **given):
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = Node('few', context=context, parameter_overrides=overrides)
        nodes.append(node)
        changes = []

        def on_change(old, new):
            if refuse:
                raise UserError(refuse)
            changes.append((old, new))
        return node, Parameters(node, Few, on_change), changes

    yield make
    for node in nodes:
        node.destroy_node()
    context.shutdown()


def test_given_values_reach_the_dataclass(few):
    _, parameters, _ = few(gain=1, names=['a'])
    assert parameters.values == Few(1.0, ('a',), 3)


def test_a_live_change_is_seen_before_it_counts(few):
    node, parameters, changes = few()
    result, = node.set_parameters([Parameter('gain', value=0.75)])
    assert result.successful and parameters.values.gain == 0.75
    assert changes == [(Few(), Few(gain=0.75))]


@pytest.mark.parametrize(('change', 'name', 'value'), [
    (Parameter('gain', value=1), 'gain', 1.0),
    (Parameter('names', value=[1, 2]), 'names', ('1', '2')),
    (Parameter('names', value='x'), 'names', ('x',))], ids=['whole number', 'numbers', 'one text'])
def test_a_live_change_means_what_it_says_whatever_yaml_takes_it_for(few, change, name, value):
    node, parameters, _ = few()
    if not hasattr(node, 'add_pre_set_parameters_callback'):
        pytest.skip('this rclpy checks types before anybody can be asked')
    result, = node.set_parameters([change])
    assert result.successful and getattr(parameters.values, name) == value


def test_what_is_set_to_the_same_is_told_only_where_that_means_something(few):
    node, _, changes = few()
    node.set_parameters([Parameter('gain', value=0.5)])
    assert not changes
    node.set_parameters([Parameter('file', value='')])
    assert changes == [(Few(), Few())]


def test_several_parameters_change_at_once(few):
    node, parameters, changes = few()
    assert node.set_parameters_atomically([
        Parameter('gain', value=0.25), Parameter('names', value=['x', ''])]).successful
    assert changes == [(Few(), Few(0.25, ('x',)))] and parameters.values == changes[0][1]


@pytest.mark.parametrize('change', [
    Parameter('gain', value=2.0), Parameter('gain', value=float('nan')),
    Parameter('gain', value='much'), Parameter('gain'), Parameter('names', value=True),
    Parameter('fixed', value=4), Parameter('fixed')],
    ids=['range', 'nan', 'text', 'delete', 'no list', 'not live', 'delete not live'])
def test_a_wrong_live_change_is_refused_with_a_reason(few, change):
    node, parameters, changes = few()
    result, = node.set_parameters([change])
    assert not result.successful and result.reason
    assert parameters.values == Few() and not changes
    assert node.get_parameter('gain').value == 0.5


def test_a_change_that_the_node_refuses_does_not_count(few):
    node, parameters, _ = few(refuse='not today')
    result, = node.set_parameters([Parameter('gain', value=0.75)])
    assert (result.successful, result.reason) == (False, 'not today')
    assert parameters.values == Few() and node.get_parameter('gain').value == 0.5


@pytest.mark.parametrize('same', [Parameter('gain', value=0.5), Parameter('names', value=['']),
                                  Parameter('use_sim_time', value=False)],
                         ids=['value', 'list', 'of rclpy'])
def test_what_changes_nothing_does_not_disturb_the_node(few, same):
    """A camera would be closed and opened again for it."""
    node, _, changes = few()
    result, = node.set_parameters([same])
    assert result.successful and not changes
