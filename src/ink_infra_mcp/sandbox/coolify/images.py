"""Reads image references as Coolify's DockerImageParser does."""

import re


def split_image(name: str, tag: str) -> tuple[str, str]:
    """Return the name and tag that are stored; a digest becomes `name@sha256` and its bare digits as the tag."""
    whole = f"{name}:{tag}" if tag else name
    digest = re.fullmatch(r"(.+)@sha256:([a-f0-9]{64})", whole)
    if digest:
        return f"{digest[1]}@sha256", digest[2]
    return _split_at_tag(whole)


def _split_at_tag(whole: str) -> tuple[str, str]:
    repository, colon, last = whole.rpartition(":")
    if not colon or "/" in last:
        return whole, "latest"
    is_digest = re.fullmatch(r"[a-f0-9]{64}", last) is not None
    return (f"{repository.removesuffix('@sha256')}@sha256" if is_digest else repository), last
