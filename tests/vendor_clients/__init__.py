"""The emulators of the vendors, driven over real sockets by clients that others wrote."""
