"""The part that knows nothing of ROS and of the web: arrays in, arrays out."""
