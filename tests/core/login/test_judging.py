"""What sshd does is judged by what it says: nothing is loosened, nothing unknown is fine, and who wins is foreseen."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.login.drop_in import drop_in, expected, said_otherwise
from ink_infra_mcp.core.login.judging import judge
from ink_infra_mcp.core.login.sshd import DROP_IN, FIRST_LINE, read_settings
from ink_infra_mcp.core.plan import Change
from tests.core.login.seen import INCLUDE, POLICY, SAYS, seen


def test_what_differs_is_named_and_all_the_rest_stays() -> None:
    """A Debian server lacks eight settings; lists keep what sshd knows, in the order of the policy."""
    found = judge(seen(), POLICY)
    assert (found.refusals, found.first_line) == ((), False)
    assert found.changes == (
        Change(name="PasswordAuthentication", before="yes", after="no"),
        Change(name="X11Forwarding", before="yes", after="no"),
        Change(name="AllowAgentForwarding", before="yes", after="no"),
        Change(name="MaxAuthTries", before="6", after="4"),
        Change(name="LoginGraceTime", before="120", after="30"),
        Change(name="KexAlgorithms", before="curve25519-sha256,ecdh-sha2-nistp256", after="curve25519-sha256"),
        Change(
            name="MACs",
            before="umac-64-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
            after="hmac-sha2-256-etm@openssh.com",
        ),
        Change(name="HostKeyAlgorithms", before="ssh-ed25519,ecdsa-sha2-nistp256", after="ssh-ed25519"),
    )


def test_once_it_says_what_was_wanted_nothing_is_left_to_do() -> None:
    """What sshd says after our file was read is judged as good: a second run plans nothing."""
    wanted = judge(seen(), POLICY).wanted
    said = read_settings(expected(wanted, said_otherwise(POLICY, wanted)).splitlines())
    after = replace(seen(), says=said, says_us=said)
    assert judge(after, POLICY).is_good
    assert judge(after, POLICY).wanted == wanted


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PermitRootLogin", "no"),
        ("PermitRootLogin", "forced-commands-only"),
        ("MaxAuthTries", "2"),
        ("Ciphers", "aes128-ctr"),
    ],
)
def test_what_is_stricter_already_is_not_loosened(keyword: str, value: str) -> None:
    """An operator's own stricter setting is written down as it is."""
    assert judge(seen(says={keyword.lower(): value}), POLICY).wanted[keyword] == value


def test_no_limit_is_no_small_limit() -> None:
    """LoginGraceTime 0 means for ever: it is set."""
    assert judge(seen(says={"logingracetime": "0"}), POLICY).wanted["LoginGraceTime"] == "30"


def test_what_sshd_does_not_say_is_refused() -> None:
    """An sshd that knows no such setting, says it twice, or says nothing at all is never called good."""
    for says in ({}, {**SAYS, "passwordauthentication": ("no", "yes")}):
        found = judge(replace(seen(), says=says, says_us=says), POLICY)
        assert found.refusals
        assert not found.is_good
    odd = judge(replace(seen(), knows={**seen().knows, "macs": ("hmac-sha1",)}), POLICY)
    assert odd.refusals == ("sshd does not say what MACs is, or knows none of the algorithms that are allowed",)


@pytest.mark.parametrize(
    ("main", "files", "first_line"),
    [
        ((INCLUDE, "PasswordAuthentication yes"), {}, False),
        ((INCLUDE,), {"50-cloud-init": ["PasswordAuthentication yes"]}, False),
        (("Port 2222", INCLUDE), {}, False),
        (("PasswordAuthentication yes", INCLUDE), {}, True),
        (("passwordauthentication=yes", INCLUDE), {}, True),
        ((INCLUDE,), {"00-a": ["PasswordAuthentication yes"]}, True),
        ((INCLUDE,), {"00-a": ["Banner none"]}, False),
        (("UsePAM yes",), {}, True),
        (("Match User a", INCLUDE), {}, True),
        ((FIRST_LINE, "PasswordAuthentication yes"), {}, False),
    ],
)
def test_whether_our_file_would_be_read_in_time_is_foreseen(
    main: tuple[str, ...], files: dict[str, list[str]], first_line: bool
) -> None:
    """Of a setting the first value counts: above the Include, in an earlier drop-in, or where none is included."""
    assert judge(seen(main, files=files), POLICY).first_line is first_line


@pytest.mark.parametrize(
    "line", ["PasswordAuthentication yes", "KexAlgorithms +ecdh-sha2-nistp256", "LoginGraceTime 2m", "MACs hmac-sha1"]
)
@pytest.mark.parametrize("condition", ["User backup", "all", "Address 10.0.0.0/8"])
def test_a_match_block_that_loosens_is_refused_by_file_and_line(line: str, condition: str) -> None:
    """Whom it holds for cannot be foreseen, so its very presence is told."""
    found = judge(seen((INCLUDE, "UsePAM yes", f"Match {condition}", f"  {line}")), POLICY)
    keyword, value = line.split()
    assert found.refusals == (
        f"/etc/ssh/sshd_config line 4, under `Match {condition}` says {keyword} {value}, "
        "which wins over a setting for everybody",
    )


def test_a_match_block_that_is_as_strict_is_none_of_our_business() -> None:
    """SFTP jails and the like stay; what stands in a drop-in after its Match does not reach the next file."""
    jail = ["Match Group sftp", "ForceCommand internal-sftp", "PasswordAuthentication no", "LoginGraceTime 20s"]
    found = judge(seen((INCLUDE, "X11Forwarding yes"), files={"10-sftp": jail}), POLICY)
    assert found.refusals == ()


def test_a_match_for_our_own_login_alone_is_seen_in_what_sshd_says_to_us() -> None:
    """Asked with our user and address, sshd says what its files hide."""
    ours = {**SAYS, "permitrootlogin": ("without-password",), "hostbasedauthentication": ("yes",)}
    found = judge(replace(seen(), says_us=ours), POLICY)
    assert found.refusals == ("for our own login sshd says HostbasedAuthentication yes: a Match block sets it",)


def test_an_sshd_with_options_of_its_own_and_files_that_cannot_be_read_are_refused() -> None:
    """What stands on its command line wins over every file."""
    found = judge(
        replace(
            seen(), runs=("/usr/sbin/sshd -D -o PasswordAuthentication=yes ",), unread=("/etc/ssh/sshd_config.d/a",)
        ),
        POLICY,
    )
    assert found.refusals == (
        "/etc/ssh/sshd_config.d/a, which sshd reads, could not be read",
        "sshd was started as `/usr/sbin/sshd -D -o PasswordAuthentication=yes`, and what is set there wins over every "
        "file",
    )


def test_our_file_has_a_line_for_each_setting() -> None:
    """It is read before all others of the folder, and says who wrote it."""
    assert DROP_IN == "/etc/ssh/sshd_config.d/00-ink-infra.conf"
    assert drop_in({"PasswordAuthentication": "no", "MaxAuthTries": "4"}).splitlines()[1:] == [
        "PasswordAuthentication no",
        "MaxAuthTries 4",
    ]


@given(value=st.text(min_size=1), keyword=st.text(min_size=1))
def test_nothing_can_end_a_line_of_our_file(value: str, keyword: str) -> None:
    """Whatever a value holds, the file has as many lines as settings, or is not written."""
    try:
        text = drop_in({keyword: value})
    except ValueError:
        return
    assert text.splitlines()[1:] == [f"{keyword} {value}"]
