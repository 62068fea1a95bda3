"""Starts edge_vision: in one process, or each node in a process of its own."""

import os
import posixpath
import sys

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.logging import launch_config
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = get_package_share_directory('edge_vision')
PROFILE = os.path.join(SHARE, 'config', 'fastdds.xml')
WRONG_USE = 2  # exit code, as in edge_vision.nodes.process
NODES = ('camera', 'detector', 'gesture', 'speech', 'overlay')
# the launch argument that sets a parameter: (node, parameter); those of a node stand together
SHORTCUTS = {'source': ('camera', 'source'), 'model': ('detector', 'model'),
             'gesture_model': ('gesture', 'model'),
             'fingertip_model': ('gesture', 'fingertip_model'), 'port': ('overlay', 'port')}

ARGUMENTS = (
    ('source', '', 'what the camera node shows: demo:, 0, csi:0, a URL, a file; empty: as in '
     'params_file'),
    ('model', '', 'ONNX file, shipped model or hog; empty: as in params_file'),
    ('gesture_model', '', 'ONNX file of the gesture node, or gesture; empty: as in params_file'),
    ('fingertip_model', '', 'ONNX file of the gesture node, or fingertip; empty: as in '
     'params_file'),
    ('port', '', 'port of the page; empty: as in params_file'),
    ('params_file', os.path.join(SHARE, 'config', 'nano.yaml'), 'parameters of all nodes'),
    ('namespace', '', 'namespace of all nodes and topics'),
    ('composed', 'true', 'all nodes in one process; false: one process each'),
    ('use_camera', 'true', 'start the camera node; false: another one publishes image_raw'),
    ('use_gesture', 'true', 'start the gesture node'),
    ('use_overlay', 'true', 'start the overlay node with the page'),
    ('use_speech', 'true', 'start the speech node'),
)


def is_true(context, name):
    """Tell whether a launch argument says yes."""
    text = LaunchConfiguration(name).perform(context).strip().lower()
    if text not in ('true', 'false', '1', '0'):
        raise RuntimeError(f"launch argument {name} must be true or false, but is '{text}'")
    return text in ('true', '1')


def settings(context):
    """
    ROS arguments: the file of the user, and after it, so that it wins, one with the arguments.

    A file, as `-p node:name:=value` does not reach a node in a namespace. It lies with the log of
    this launch. Texts are quoted: YAML would take 0 for a number and demo: for a mapping.
    """
    given = {name: LaunchConfiguration(name).perform(context) for name in SHORTCUTS}
    if given['port'] and not given['port'].isdigit():
        raise RuntimeError(f"launch argument port must be a number, but is '{given['port']}'")
    namespace = posixpath.join('/', context.launch_configurations.get('ros_namespace', ''),
                               LaunchConfiguration('namespace').perform(context)).rstrip('/')
    lines, last = [], ''
    for argument, (node, parameter) in SHORTCUTS.items():
        value = given[argument]
        if value:
            if node != last:  # a file has one section for each node
                lines += [f'{namespace}/{node}:', '  ros__parameters:']
            text = value if argument == 'port' else "'" + value.replace("'", "''") + "'"
            lines.append(f'    {parameter}: {text}')
            last = node
    words = ['--params-file', LaunchConfiguration('params_file').perform(context)]
    if lines:
        path = os.path.join(launch_config.log_dir,
                            f'edge_vision{namespace.replace("/", "_")}.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join([*lines, '']))
        words += ['--params-file', path]
    return words


def end_if_misused(event, context):
    """End all, with exit code 1, after a node's sentence about a mistake of the user."""
    if event.returncode == WRONG_USE and not context.is_shutdown:
        raise RuntimeError(f'{event.process_name} cannot run like this, see its line above')


def end_all(event, context):
    """End with the only process, and with exit code 1 unless it ended well."""
    end_if_misused(event, context)
    if event.returncode and not context.is_shutdown:
        raise RuntimeError(f'{event.process_name} died with exit code {event.returncode}')
    return Shutdown(reason='edge_vision has ended')


def start(context):
    """Give the processes that the arguments ask for."""
    wanted = [name for name in NODES
              if name == 'detector' or is_true(context, f'use_{name}')]
    common = {
        'package': 'edge_vision', 'output': 'screen',
        'emulate_tty': sys.stdout.isatty(),  # colours, though not in files
        'namespace': LaunchConfiguration('namespace').perform(context)}
    words = settings(context)
    if is_true(context, 'composed'):
        without = [name for name in NODES if name not in wanted]
        arguments = ['--without', *without] if without else []
        return [Node(executable='nano', arguments=arguments, ros_arguments=words,
                     on_exit=end_all, **common)]
    # a process that dies comes back, unless it was used wrongly
    return [Node(executable=f'{name}_node', ros_arguments=words, respawn=True, respawn_delay=2.0,
                 on_exit=end_if_misused, **common) for name in wanted]


def generate_launch_description():
    """Describe the launch."""
    # Fast DDS renamed it after Jazzy and warns of the old name
    old = os.environ.get('ROS_DISTRO', 'jazzy') in ('humble', 'iron', 'jazzy')
    name = f'{"FASTRTPS" if old else "FASTDDS"}_DEFAULT_PROFILES_FILE'
    profile = [SetEnvironmentVariable(name, os.environ.get(name, PROFILE))]
    return LaunchDescription(
        [DeclareLaunchArgument(name, default_value=default, description=text)
         for name, default, text in ARGUMENTS]
        + profile + [OpaqueFunction(function=start)])
