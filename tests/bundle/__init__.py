"""The .mcpb bundle: what a host installs with one click, made from the source and tried as a host would."""
