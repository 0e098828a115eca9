"""What the server costs: time to start, time for a call, memory, and tokens of the list of tools."""
