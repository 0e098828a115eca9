"""Entries of the tar archives that layers are, always the same for the same content."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath


def tar_of(files: Mapping[str, str], *, owner: int = 0, folders: tuple[str, ...] = ()) -> bytes:
    """Return an archive of text files, with the folders above them and others that are empty, all of one owner.

    A file is a program where its text begins with `#!`.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        above = {str(parent) for path in (*files, *(f"{each}/x" for each in folders)) for parent in _parents(path)}
        for folder in sorted(above):
            tar.addfile(_entry(folder, kind=tarfile.DIRTYPE, mode=0o755, owner=owner if folder.count("/") > 1 else 0))
        for path, text in files.items():
            add_file(tar, path, text, owner=owner)
    return buffer.getvalue()


def _parents(path: str) -> list[PurePosixPath]:
    return [parent for parent in PurePosixPath(path).parents if str(parent) != "."]


def add_file(tar: tarfile.TarFile, path: str, text: str, *, owner: int = 0) -> None:
    """Add a text file; a script can be run."""
    body = text.encode()
    entry = _entry(path, kind=tarfile.REGTYPE, mode=0o755 if text.startswith("#!") else 0o644, owner=owner)
    entry.size = len(body)
    tar.addfile(entry, io.BytesIO(body))


def add_link(tar: tarfile.TarFile, path: str, target: str) -> None:
    """Add a symbolic link."""
    entry = _entry(path, kind=tarfile.SYMTYPE, mode=0o777, owner=0)
    entry.linkname = target
    tar.addfile(entry)


def _entry(path: str, *, kind: bytes, mode: int, owner: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.uid, entry.gid = kind, mode, owner, owner
    return entry
