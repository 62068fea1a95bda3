"""edge_vision: eyes for small robots."""
