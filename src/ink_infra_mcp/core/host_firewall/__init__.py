"""A server's own firewall as it shall be: the rules, and what each of the programs that keep them is given."""
