"""`docker compose` of a pretend server: `python -m ... NOW WORDS`, its files as JSON in `COMPOSE_FILES`."""

import argparse
import json
import os
import posixpath
import sys
from datetime import UTC, datetime

from pydantic import TypeAdapter

from ink_infra_mcp.sandbox.compose.project import Given, Said, config, variables

UNKNOWN = 127
NO_FILE = 14
VERSION = "2.26.1-4"
_Files = TypeAdapter(dict[str, str])


def answer(words: list[str], *, stdin: str, files: dict[str, str], now: float) -> Said:
    """Return what `docker compose WORDS` says; `files` are the texts of the server's files by path."""
    given, rest = _parser().parse_known_args(words)
    if given.command == "version" and not rest:
        return Said(f"Docker Compose version {VERSION}\n", "", 0)
    if rest or (given.command, given.format) != ("config", "json"):
        return Said("", "", UNKNOWN)
    return _config(given, stdin=stdin, files=files, now=now)


def _config(given: argparse.Namespace, *, stdin: str, files: dict[str, str], now: float) -> Said:
    read_from = _read_from(given)
    text = stdin if read_from == "-" else files.get(posixpath.normpath(read_from))
    if text is None:
        return Said("", f"open {read_from}: no such file or directory\n", NO_FILE)
    said = config(_file(given, text, read_from, files), fills=not given.no_interpolate)
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = "" if given.quiet else said.out
    return Said(shown, said.err.replace("1970-01-01T00:00:00Z", stamp), said.status)


def _read_from(given: argparse.Namespace) -> str:
    return given.file or posixpath.join(given.project_directory or "/", "docker-compose.yml")


def _file(given: argparse.Namespace, text: str, read_from: str, files: dict[str, str]) -> Given:
    folder = _folder(given, read_from)
    values = variables(files.get(posixpath.join(folder, ".env"), ""))
    name = given.project_name or posixpath.basename(folder)
    read = {path: variables(body) for path, body in files.items()}
    return Given(text, name, folder, read_from, values, read)


def _folder(given: argparse.Namespace, read_from: str) -> str:
    if given.project_directory:
        return given.project_directory
    return "/root" if read_from == "-" else posixpath.dirname(read_from)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("-p", "--project-name", default="")
    parser.add_argument("-f", "--file", default="")
    parser.add_argument("--project-directory", default="")
    parser.add_argument("command")
    parser.add_argument("--format", default="yaml")
    parser.add_argument("--no-interpolate", action="store_true")
    parser.add_argument("-q", "--quiet", action="store_true")
    return parser


def main() -> None:
    """Answer and end as the command would."""
    now, *words = sys.argv[1:]
    files = _Files.validate_python(json.loads(os.environ.get("COMPOSE_FILES", "{}")))
    said = answer(words, stdin="" if "-" not in words else sys.stdin.read(), files=files, now=float(now))
    sys.stdout.write(said.out)
    sys.stderr.write(said.err)
    sys.exit(said.status)


if __name__ == "__main__":
    main()
