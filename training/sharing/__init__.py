"""Weight sharing: KMeans on a network's weights, packed indices in its model file."""
