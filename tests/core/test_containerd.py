"""containerd's root is set in whatever settings there are, without a change of anything else in them."""

import tomllib

import pytest

from ink_infra_mcp.core.containerd import with_root

ROOT = "/data/containerd"


@pytest.mark.parametrize(
    "text",
    [
        "",
        'disabled_plugins = ["cri"]\n#root = "/var/lib/containerd"\n',
        'version = 2\nroot = "/var/lib/containerd"  # as packaged\nstate = "/run/containerd"\n',
        "version = 3\n\nroot = '/var/lib/containerd'\n[plugins]\n  [plugins.x]\n    root = \"/elsewhere\"\n",
        '# ours\n[plugins."io.containerd.internal.v1.opt"]\n  path = "/var/lib/containerd/opt"',
    ],
)
def test_root_is_set_and_all_else_stays_as_its_reader_reads_it(text: str) -> None:
    """Comments too; set again it is the same text."""
    edited = with_root(text, ROOT)
    assert tomllib.loads(edited) == {**(tomllib.loads(text) or {"version": 2}), "root": ROOT}
    assert [line for line in text.splitlines() if line.startswith("#") and line not in edited] == []
    assert with_root(edited, ROOT) == edited


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('root = "/srv/containerd"\n', "root is /srv/containerd there"),
        ("root = [\n", "line 2|end of document"),
        ('"root" = "/var/lib/containerd"\n', "root cannot be set without a change of something else"),
    ],
)
def test_what_cannot_be_edited_safely_is_left_alone(text: str, why: str) -> None:
    """Another place, no TOML, and spellings that are not known."""
    with pytest.raises(ValueError, match=why):
        with_root(text, ROOT)
