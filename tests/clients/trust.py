"""Whom a connection to an emulator trusts: it speaks plain http, and to read a machine's authorities takes 50 ms."""

import ssl

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""No certificate is good enough; a real transport that is made with it reads no file."""
