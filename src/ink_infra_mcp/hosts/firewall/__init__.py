"""The ways into a server: its packet filters and sockets as it tells them, connects from it, and changes of its own."""
