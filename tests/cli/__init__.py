"""The command line: what a person types, reads and answers."""
