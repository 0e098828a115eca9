"""DNS as values: names and zones, record sets and what differs, and how one is set without losing what others set."""
