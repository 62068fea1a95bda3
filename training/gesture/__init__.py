"""Transfer learning of ResNet-18: classes of gestures, and named points such as a fingertip."""
