"""Random servers: built out of everything that decides who gets in, and held against real connects."""
