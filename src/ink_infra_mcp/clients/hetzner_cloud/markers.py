"""The labels that we put on what we make."""

OPERATION = "ink-operation"
"""Which operation made it. Whatever has it was made by us."""
HOST_KEY = "ink-host-key"
"""The fingerprint of the host key that a server was made with: so it is known after a lost answer."""
