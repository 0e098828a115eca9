"""A pretend world behind real sockets: Coolify, Hetzner, DNS, GitHub and SSH hosts over one World.

It imports nothing of ours from outside this package: the clients meet it on a socket only, so that one misreading of
an API cannot pass on both sides.
"""
