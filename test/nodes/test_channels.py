"""Frames handed over inside one process, and messages made only for those outside."""

from __future__ import annotations

from edge_vision.core.frame import Frame
from edge_vision.nodes import channels, qos
from edge_vision.nodes.bus import Bus
from edge_vision.nodes.channels import Channel, Receiver, Sender
import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy
from sensor_msgs.msg import Image
from support import image_message, picture


@pytest.fixture
def conversions():
    """Give a channel for images that counts how often a message is made and read."""
    made, read = [], []

    def to_message(frame):
        made.append(frame)
        return channels.IMAGE.to_message(frame)

    def from_message(message):
        read.append(message)
        return channels.IMAGE.from_message(message)

    channel = Channel('test_image', Image, qos.SENSOR, to_message, from_message)
    return channel, made, read


def test_a_bus_without_listeners_takes_what_is_sent():
    bus = Bus()
    bus.send('/nobody', 1)
    assert not bus.offers('/nobody')


def test_a_bus_keeps_topics_apart():
    bus, heard = Bus(), []
    bus.listen('/a', heard.append)
    bus.send('/b', 1)
    bus.send('/a', 2)
    assert heard == [2]


def test_inside_a_process_the_frame_itself_is_handed_over(ears, conversions):
    channel, made, read = conversions
    bus, heard = Bus(), []
    sender = Sender(ears.node, channel, bus)
    receivers = [Receiver(ears.node, channel, bus, heard.append, pytest.fail) for _ in range(2)]
    frame = Frame(picture(), 1)
    sender.send(frame)
    assert heard[0] is frame and heard[1] is frame
    assert all(receiver.is_local for receiver in receivers)
    assert not sender.wanted() and not made and not read


def test_a_message_is_made_once_while_somebody_outside_subscribes(ears, conversions):
    channel, made, _ = conversions
    bus, local = Bus(), []
    sender = Sender(ears.node, channel, bus)
    Receiver(ears.node, channel, bus, local.append, pytest.fail)
    with ears.hearing(Image, channel.topic, qos.SENSOR) as heard:
        ears.until(sender.wanted, 'the subscription')
        frame = Frame(picture(3), 7_000_000_001, 'eye')
        sender.send(frame)
        message = ears.until(lambda: heard and heard[0], 'the message')
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (7, 1)
        assert made == [frame] and local == [frame]
    ears.until(lambda: not sender.wanted(), 'the end of the subscription')
    sender.send(frame)
    assert made == [frame] and len(local) == 2


def test_without_a_bus_messages_are_read(ears, conversions):
    channel, _, read = conversions
    heard = []
    receiver = Receiver(ears.node, channel, None, heard.append, pytest.fail)
    with ears.speaking(Image, channel.topic, qos.SENSOR) as publisher:
        publisher.publish(image_message(picture(5), 9))
        ears.until(lambda: heard, 'the frame')
    assert not receiver.is_local and len(read) == 1
    assert heard[0].stamp_ns == 9 and (heard[0].bgr == picture(5)).all()
    receiver.want(False)


def test_a_receiver_on_another_bus_topic_subscribes(ears, conversions):
    channel, _, _ = conversions
    bus = Bus()
    bus.offer('/another_topic')
    receiver = Receiver(ears.node, channel, bus, pytest.fail, pytest.fail)
    assert not receiver.is_local and ears.node.count_subscribers(channel.topic) == 1
    receiver.want(False)


def test_a_message_that_cannot_be_read_goes_to_on_error(ears, conversions):
    channel, _, _ = conversions
    heard, errors = [], []
    receiver = Receiver(ears.node, channel, None, heard.append, errors.append)
    with ears.speaking(Image, channel.topic, qos.SENSOR) as publisher:
        wrong = image_message(picture())
        wrong.step = 1
        publisher.publish(wrong)
        ears.until(lambda: errors, 'the error')
        publisher.publish(image_message(picture()))
        ears.until(lambda: heard, 'the next message')
    assert 'step is 1' in str(errors[0])
    receiver.want(False)


def test_a_receiver_subscribes_only_while_wanted(ears, conversions):
    channel, _, _ = conversions

    def subscribers():
        return ears.node.count_subscribers(channel.topic)
    receiver = Receiver(ears.node, channel, None, pytest.fail, pytest.fail, start=False)
    assert subscribers() == 0
    for wanted in (True, True, False, False, True, False):
        receiver.want(wanted)
        assert subscribers() == int(wanted)


@pytest.mark.parametrize('profile, reliability, depth, durability', [
    (qos.SENSOR, ReliabilityPolicy.BEST_EFFORT, 1, DurabilityPolicy.VOLATILE),
    (qos.RESULT, ReliabilityPolicy.RELIABLE, 5, DurabilityPolicy.VOLATILE),
    (qos.EVENT, ReliabilityPolicy.RELIABLE, 10, DurabilityPolicy.VOLATILE),
    (qos.LATCHED, ReliabilityPolicy.RELIABLE, 1, DurabilityPolicy.TRANSIENT_LOCAL),
], ids=['sensor', 'result', 'event', 'latched'])
def test_profiles(profile, reliability, depth, durability):
    assert profile.history == HistoryPolicy.KEEP_LAST
    assert (profile.reliability, profile.depth, profile.durability) == (
        reliability, depth, durability)


def test_images_are_sensor_data():
    assert channels.IMAGE.qos is qos.SENSOR and channels.OVERLAY.qos is qos.SENSOR
