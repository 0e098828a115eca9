"""The server, driven over real standard streams by clients that others wrote."""
