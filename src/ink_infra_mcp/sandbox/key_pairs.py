"""Key pairs of the pretend world's servers and of those who log in there."""


def new_key_pair() -> tuple[str, str]:
    """Return a new ed25519 key pair: the private key as OpenSSH writes it, and the public key's line."""
    # asyncssh takes long to import, and most of the pretend world needs no key
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519")  # pyright: ignore[reportUnknownMemberType] - its **kwargs
    return key.export_private_key().decode(), key.export_public_key().decode().strip()
