"""vision_msgs on the wire: the types are the ones that every other ROS 2 machine speaks of."""

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest
from support import claim_domain, PATIENCE_S

# RIHS01 of vision_msgs 4.x, the same on Jazzy and on Kilted.
TYPE_HASHES = {
    'BoundingBox2D': '008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f',
    'BoundingBox2DArray': '2464e82838009386d371b523211c21c91d74d313fcdd6788223c531d621cf691',
    'BoundingBox3D': 'bbb73a65c163d7f9bb29009c7bde9f7faa576bd2d23299c4511d19230dab4698',
    'BoundingBox3DArray': 'a81938db9576b10c2eecd7c5a5da3eac496efd00221b25ed051dfbc81fb56da6',
    'Classification': 'f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143',
    'Detection2D': '0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea',
    'Detection2DArray': '214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
    'Detection3D': 'ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b',
    'Detection3DArray': '793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018',
    'LabelInfo': '3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783',
    'ObjectHypothesis': '51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90',
    'ObjectHypothesisWithPose':
        '41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc',
    'Point2D': 'eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247',
    'Pose2D': 'b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648',
    'VisionClass': '1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a',
    'VisionInfo': '95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284',
}

TALKER = """
import time
import rclpy
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

found = ObjectHypothesisWithPose()
found.hypothesis.class_id, found.hypothesis.score = 'person', 0.75
detection = Detection2D(results=[found], id='7')
detection.bbox.center.position.x, detection.bbox.size_y = 320.5, 200.25
message = Detection2DArray(detections=[detection])
message.header.frame_id, message.header.stamp.sec = 'camera', 12
rclpy.init()
node = rclpy.create_node('talker')
publisher = node.create_publisher(Detection2DArray, 'detections', 1)
while rclpy.ok():
    publisher.publish(message)
    time.sleep(0.05)
node.destroy_node()
"""

LISTENER = """
import rclpy
from vision_msgs.msg import Detection2DArray

rclpy.init()
node = rclpy.create_node('listener')
heard = []
node.create_subscription(Detection2DArray, 'detections', heard.append, 1)
while not heard:
    rclpy.spin_once(node)
detection, = heard[0].detections
print(heard[0].header.frame_id, heard[0].header.stamp.sec, detection.id,
      detection.results[0].hypothesis.class_id, detection.results[0].hypothesis.score,
      detection.bbox.center.position.x, detection.bbox.size_y)
node.destroy_node()
rclpy.shutdown()
"""


def share_folder() -> Path:
    """Return where the descriptions of the installed vision_msgs lie."""
    prefixes = [sys.prefix, *os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)]
    return next(folder for folder in (Path(one) / 'share/vision_msgs' for one in prefixes)
                if folder.is_dir())


@pytest.mark.parametrize('name', TYPE_HASHES)
def test_type_hash_is_that_of_every_other_machine(name):
    described = json.loads((share_folder() / 'msg' / f'{name}.json').read_text())
    hashes = {one['type_name']: one['hash_string'] for one in described['type_hashes']}
    assert hashes[f'vision_msgs/msg/{name}'] == 'RIHS01_' + TYPE_HASHES[name]


def test_no_message_is_missing_and_none_is_ours_alone():
    assert {path.stem for path in (share_folder() / 'msg').glob('*.msg')} == set(TYPE_HASHES)


def test_detections_arrive_whole_in_another_process():
    claim_domain()
    talker = subprocess.Popen([sys.executable, '-c', TALKER])
    try:
        heard = subprocess.run([sys.executable, '-c', LISTENER], timeout=PATIENCE_S, check=True,
                               stdout=subprocess.PIPE, text=True)
    finally:
        talker.terminate()  # not kill: DDS has files in /dev/shm to put away
        talker.wait(PATIENCE_S)
    assert heard.stdout.split() == ['camera', '12', '7', 'person', '0.75', '320.5', '200.25']
