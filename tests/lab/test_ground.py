"""The parts of the lab that need no machine: names, addresses, faults, images, and where packages come from."""

import io
import tarfile
from pathlib import Path

import pytest

from tests.lab.ground.archive import debian_archive
from tests.lab.ground.commands import LabError, said, until
from tests.lab.ground.faults import Fault
from tests.lab.ground.images import Image, layer_of
from tests.lab.ground.processes import end, recorded, start_time
from tests.lab.ground.site import Site

DEB822 = """\
# a mirror
Types: deb
URIs: http://mirror.example.com/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://mirror.example.com/debian-security
"""
ONE_LINE = """\
# deb http://old.example.com/debian bookworm main
deb [arch=amd64] http://mirror.example.com/debian/ bookworm main
"""


def site(**environment: str) -> Site:
    """Return the lab that these settings name."""
    return Site.of({f"INK_LAB_{name.upper()}": value for name, value in environment.items()})


def test_every_server_has_addresses_and_cards_of_its_own() -> None:
    """No two servers of a lab, light ones included, share a name, an address or a card."""
    here = site()
    servers = [*here.machines.values(), *here.light_machines(300).values()]
    for about in ("name", "ipv4", "ipv6", "private_ipv4", "private_ipv6", "mac", "private_mac"):
        assert len({getattr(server, about) for server in servers}) == len(servers)
    assert max(len(port) for server in servers for port in server.ports) <= 15


def test_two_labs_share_nothing_on_this_machine() -> None:
    """Another prefix and another network are another lab: other names, folders and addresses."""
    one, two = site(), site(prefix="two", net="10.9.0")
    assert one.folder != two.folder
    assert one.uplink != two.uplink
    assert not {m.ipv4 for m in one.machines.values()} & {m.ipv4 for m in two.machines.values()}
    assert not {m.ipv6 for m in one.machines.values()} & {m.ipv6 for m in two.machines.values()}


@pytest.mark.parametrize(
    "wrong", [{"prefix": "toolong"}, {"prefix": "A"}, {"net": "10.300.0"}, {"net": "192.168.1"}, {"net": "10.1.0.0"}]
)
def test_a_name_that_would_not_fit_is_refused(wrong: dict[str, str]) -> None:
    """Names of cards have 15 characters at most, and a lab takes a whole /16 of 10.0.0.0/8."""
    with pytest.raises(LabError):
        site(**wrong)


@pytest.mark.parametrize("text", ["down", "drop", "drop-in", "loss=20", "rate=1000", "delay=50", "delay=50,10,5"])
def test_a_fault_is_what_its_text_says(text: str) -> None:
    """Every fault that the command line names can be read."""
    fault = Fault.parse(text)
    assert f"{fault.kind}={fault.amount}".rstrip("=") == text


@pytest.mark.parametrize("text", ["", "dorp", "loss", "loss=x", "drop=1", "delay=1,2,3,4", "rate=-1", "rate=1;reboot"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    """Nothing but numbers reaches the commands that make a fault."""
    with pytest.raises(LabError):
        Fault.parse(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(DEB822, "http://mirror.example.com/debian"), (ONE_LINE, "http://mirror.example.com/debian/")],
    ids=["deb822", "one line"],
)
def test_the_archive_is_the_one_of_this_machines_apt(tmp_path: Path, text: str, wanted: str) -> None:
    """Both forms of apt's sources are read, and neither the security archive nor a comment is taken."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(text, encoding="utf-8")
    assert debian_archive(tmp_path) == wanted


def test_a_machine_without_an_archive_is_told_what_to_set(tmp_path: Path) -> None:
    """The message names the variable."""
    with pytest.raises(LabError, match="INK_LAB_ARCHIVE"):
        debian_archive(tmp_path)


def test_an_image_holds_its_files_and_the_commands_of_busybox() -> None:
    """Files keep their folders, and every command is a link to the one program."""
    image = Image("a:1", ("/bin/sh",), {"www/api/health": "OK"})
    with tarfile.open(fileobj=io.BytesIO(layer_of(image, b"program"))) as layer:
        names = set(layer.getnames())
        health, program = layer.extractfile("www/api/health"), layer.extractfile("bin/busybox")
        assert health is not None
        assert program is not None
        assert (health.read(), program.read()) == (b"OK", b"program")
        assert layer.getmember("bin/sh").linkname == "busybox"
    assert {"www", "www/api", "bin", "tmp", "etc"} <= names


def test_a_record_names_one_process_and_no_later_one(tmp_path: Path) -> None:
    """A number that the system gave to another process since is nobody we know, and is not killed."""
    record = tmp_path / "pid"
    record.write_text("1 12345678901234", encoding="ascii")
    assert recorded(record) is None
    end(record)
    record.write_text(f"1 {start_time(1)}", encoding="ascii")
    assert recorded(record) == 1


def test_a_program_that_fails_is_an_error_in_its_own_words() -> None:
    """Neither a wrong end nor a missing program passes unseen."""
    with pytest.raises(LabError, match="ended with 3: no"):
        said("sh", "-c", "echo no >&2; exit 3")
    with pytest.raises(LabError, match="there is no no-such-program"):
        said("no-such-program")


def test_waiting_ends_with_what_was_wanted_or_says_what_was_not() -> None:
    """It ends at once when there is nothing to wait for."""
    until(lambda: True, what="", limit_s=1)
    with pytest.raises(LabError, match="no luck"):
        until(lambda: False, what="no luck", limit_s=0.04)
