"""What a name and a URL give when they are asked for on a server."""
