"""What an operator sets: fleet.toml, folders, flags, policies and where secrets come from."""
