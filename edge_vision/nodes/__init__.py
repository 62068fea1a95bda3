"""The ROS shells: each node is wiring and one short callback; the work is done in core."""
