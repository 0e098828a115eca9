"""DNS as values: names, record sets, zones, and what an earlier run may have left."""
