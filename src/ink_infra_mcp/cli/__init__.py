"""The command line: what a person types; each command imports what it needs when it runs."""
