"""Servers over SSH: commands as words, one kept connection per server, and facts read in one round trip."""
