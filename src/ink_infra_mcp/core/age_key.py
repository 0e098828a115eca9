"""Public keys of age, which copies of backups are encrypted for."""

import re

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_RECIPIENT = re.compile(rf"age1[{_ALPHABET}]{{58}}")
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_PREFIX = [ord(char) >> 5 for char in "age"] + [0] + [ord(char) & 31 for char in "age"]


def age_recipient(value: str) -> str:
    """Return `value` if it is empty, or a public key as `age-keygen` prints it, with its checksum (BIP 173, Bech32).

    Raises:
        ValueError: otherwise; a key with one wrong letter is found here, and not when a copy is wanted.
    """
    if value and not (_RECIPIENT.fullmatch(value) and _is_whole(value[4:])):
        raise ValueError("use a public key as `age-keygen` prints it, `age1` and 58 letters and digits")
    return value


def _is_whole(data: str) -> bool:
    check = 1
    for number in (*_PREFIX, *map(_ALPHABET.index, data)):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ number
        for bit, factor in enumerate(_GENERATOR):
            check ^= factor if top >> bit & 1 else 0
    return check == 1
