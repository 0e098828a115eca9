"""What a server says of itself: gathered by one script in one round trip, each fact known or known to be unknown."""
