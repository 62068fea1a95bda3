"""The page, the streams and the small JSON interface; knows nothing of ROS."""
