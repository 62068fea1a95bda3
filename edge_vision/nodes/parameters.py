"""
A node's parameters as one frozen dataclass: default, description and range side by side.

`Parameters` declares them to ROS and holds the values; mistakes of the user end in one sentence
that names the parameter.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import List, Optional, Sequence, Tuple

from edge_vision.core.errors import UserError
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

# parameters that rclpy itself knows
OF_RCLPY = ('use_sim_time', 'qos_overrides', 'start_type_description_service')


@dataclass(frozen=True)
class Spec:
    """
    What stands beside a default: description, range, and whether it may change live.

    again: the value names something that may itself have changed, so that setting it to what it
    is already counts as a change too.
    """

    description: str
    low: Optional[float] = None
    high: Optional[float] = None
    live: bool = False
    again: bool = False


def parameter(default, description: str, low=None, high=None, live: bool = False,
              again: bool = False):
    """Give a dataclass field that is a ROS parameter; tuples of text are string arrays."""
    return field(default=default, metadata={'spec': Spec(description, low, high, live, again)})


def to_ros(value):
    """Give a default as ROS declares it: an empty array would be taken for bytes."""
    return (list(value) or ['']) if isinstance(value, tuple) else value


def from_ros(value, default):
    """Give a ROS value in the type of the dataclass; blank entries of an array do not count."""
    if isinstance(default, tuple):
        return tuple(text.strip() for text in value if text.strip())
    return value


def coerce(name: str, value, default):
    """
    Give a user's value in the type of the default, or raise UserError.

    `source: 0` and `score_threshold: 1` mean what they say, though YAML takes both for integers.
    """
    if isinstance(default, bool) or isinstance(value, bool):
        if type(value) is type(default):
            return value
    elif isinstance(default, float) and isinstance(value, (int, float)):
        return float(value)
    elif isinstance(default, str) and isinstance(value, (str, int, float)):
        return str(value)
    elif isinstance(default, tuple) and isinstance(value, str):
        return [value]
    elif isinstance(default, tuple) and isinstance(value, (list, tuple)):
        return [str(item) for item in value] or ['']
    elif isinstance(default, int) and isinstance(value, int):
        return value
    kinds = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text',
             tuple: 'a list of texts'}
    raise UserError(f"parameter '{name}' wants {kinds[type(default)]} such as "
                    f'{to_ros(default)!r}, but {value!r} was given')


def check_range(name: str, value, spec: Spec) -> None:
    """Raise UserError for a number outside of the range."""
    if spec.low is None or spec.high is None:
        return
    if not spec.low <= value <= spec.high:
        raise UserError(f"parameter '{name}' must be from {spec.low:g} to {spec.high:g}, "
                        f'but {value!r} was given')


def _descriptor(default, spec: Spec) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=spec.description, read_only=not spec.live)
    if spec.low is None or spec.high is None:
        return descriptor
    if isinstance(default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(spec.low), to_value=float(spec.high))]
    else:
        descriptor.integer_range = [
            IntegerRange(from_value=int(spec.low), to_value=int(spec.high), step=1)]
    return descriptor


def refuse_unknown(node_name: str, given: Sequence[str], known: Sequence[str],
                   known_elsewhere: Sequence[str] = ()) -> None:
    """
    Raise UserError for a parameter that no node has.

    known_elsewhere: those of the other nodes, which a `/**:` section of a YAML file may address.
    """
    for name in given:
        if name in known or name in known_elsewhere or name.split('.')[0] in OF_RCLPY:
            continue
        close = get_close_matches(name, known, 1)
        hint = f"did you mean '{close[0]}'?" if close else f'it knows {", ".join(sorted(known))}'
        raise UserError(f"the node '{node_name}' has no parameter '{name}': {hint}")


class Parameters:
    """
    The parameters of one node: `values` is the dataclass as it stands now.

    on_change(old, new) is called, in the executor's thread, before a live change takes effect;
    it may raise UserError to refuse it. What changes nothing is not told, but for `again`.
    """

    def __init__(self, node: Node, kind: type, on_change, known_elsewhere: Sequence[str] = ()):
        """Declare all of `kind` on the node, with what the user gave; UserError for mistakes."""
        self._on_change = on_change
        self._specs = {f.name: (f.default, f.metadata['spec']) for f in fields(kind)}
        # rclpy has no public way to see overrides that were never declared
        given = node._parameter_overrides
        refuse_unknown(node.get_name(), list(given), list(self._specs), known_elsewhere)
        values = {}
        for name, (default, spec) in self._specs.items():
            value = to_ros(default)
            if name in given and given[name].type_ != Parameter.Type.NOT_SET:
                value = coerce(name, given[name].value, default)
            check_range(name, value, spec)
            node.declare_parameter(name, value, _descriptor(default, spec), ignore_override=True)
            values[name] = from_ros(value, default)
        self.values = kind(**values)
        node.add_on_set_parameters_callback(self._set)
        if hasattr(node, 'add_pre_set_parameters_callback'):  # not yet in Humble
            node.add_pre_set_parameters_callback(self._coerce_all)

    def _coerce_all(self, changes: Sequence[Parameter]) -> List[Parameter]:
        # what cannot be coerced stays as it is, and rclpy refuses its type
        return [self._coerced(change) if change.name in self._specs else change
                for change in changes]

    def _coerced(self, change: Parameter) -> Parameter:
        try:
            value = coerce(change.name, change.value, self._specs[change.name][0])
        except UserError:
            return change
        return Parameter(change.name, value=value)

    def _set(self, changes: Sequence[Parameter]) -> SetParametersResult:
        new = {}
        try:
            for change in changes:
                if change.name in self._specs:
                    default, spec = self._specs[change.name]
                    check_range(change.name, change.value, spec)
                    new[change.name] = from_ros(change.value, default)
            after = replace(self.values, **new)
            if after != self.values or any(self._specs[name][1].again for name in new):
                self._on_change(self.values, after)
        except UserError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.values = after
        return SetParametersResult(successful=True)


def names_of(*kinds: type) -> Tuple[str, ...]:
    """List the names of all parameters of some dataclasses."""
    return tuple(dict.fromkeys(f.name for kind in kinds for f in fields(kind)))
