"""The wire: what units and hubs say to each other, and nothing that touches the world."""
