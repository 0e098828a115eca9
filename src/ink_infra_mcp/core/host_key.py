"""A fingerprint of a host key as the value of a label, and back."""

import re

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_LABEL = re.compile(r"sha256\.([A-Za-z0-9_-]{43})")


def as_label(shown: str) -> str:
    """Return a fingerprint as the value of a label, which begins and ends with a letter or digit.

    Raises:
        ValueError: this is no fingerprint.
    """
    if not _FINGERPRINT.fullmatch(shown):
        raise ValueError("not a SHA256 fingerprint")
    return f"sha256.{shown.removeprefix('SHA256:').translate(str.maketrans('+/', '-_'))}"


def from_label(value: str) -> str | None:
    """Return the fingerprint that a label's value stands for, None where it stands for none."""
    found = _LABEL.fullmatch(value)
    return f"SHA256:{found[1].translate(str.maketrans('-_', '+/'))}" if found else None
