"""One image is set in the text of a compose file, and nothing else in it is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.compose.override import with_image, without_image
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.errors import InputError

IMAGE = "docker.io/example/coolify-fork@sha256:" + "a" * 64
LINE = f'image: "{IMAGE}"'
MARK = "  # set by ink-infra-mcp"
FRESH = f"services:\n  coolify:\n    {LINE}{MARK}\n"
WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda word: word not in ("coolify", "services"))
VALUES = st.sampled_from(
    ["1g", "'quoted: # not a comment'", "[a, b]", "{x: 1}", '"a\\tb"', "&{name} 5", "yes", "# none"]
)


@st.composite
def files(draw: st.DrawFn) -> str:
    """Return a compose file in block style, with comments, other services and keys, with or without the image."""
    keys = draw(st.lists(st.tuples(WORDS, VALUES), min_size=1, max_size=3, unique_by=lambda pair: pair[0]))
    inner = [f"{name}: {value}".replace("{name}", name) for name, value in keys if name != "image"]
    if draw(st.booleans()):
        inner.insert(draw(st.integers(0, len(inner))), draw(st.sampled_from(["image: old:1", "image: 'old' # theirs"])))
    step = " " * draw(st.sampled_from([2, 4]))
    lines = ["# by somebody else", "services:", f"{step}coolify:", *(f"{step * 2}{line}" for line in inner or ["a: 1"])]
    if draw(st.booleans()):
        lines += [f"{step}redis:", f"{step * 2}image: redis:7"]
    if draw(st.booleans()):
        lines += ["networks:", f"{step}own: {{}}"]
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))


@given(files())
def test_whatever_else_is_in_the_file_stays_value_by_value_and_line_by_line(text: str) -> None:
    """The one value is the new one; every other value, and every line that has not it, is as it was."""
    after = with_image(text, "coolify", IMAGE)
    before, now = read_compose(text), read_compose(after)
    services = now["services"]
    assert isinstance(services, dict)
    own = services["coolify"]
    assert isinstance(own, dict)
    assert own["image"] == IMAGE
    was = before["services"]
    assert isinstance(was, dict)
    old = was["coolify"]
    assert isinstance(old, dict)
    assert {**own, "image": old.get("image")} == {**old, "image": old.get("image")}
    assert {name: value for name, value in now.items() if name != "services"} == {
        name: value for name, value in before.items() if name != "services"
    }
    kept = [line for line in text.splitlines() if "image: old" not in line and "image: 'old'" not in line]
    assert [line for line in after.splitlines() if LINE not in line] == kept
    assert with_image(after, "coolify", IMAGE) == after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", FRESH),
        ("services:\n  redis:\n    image: r\n", f"services:\n  coolify:\n    {LINE}{MARK}\n  redis:\n    image: r\n"),
        ("networks:\n  own: {}\n", f"networks:\n  own: {{}}\n{FRESH}"),
        ("services:\n  coolify:\n    mem_limit: 1g\n", f"services:\n  coolify:\n    {LINE}{MARK}\n    mem_limit: 1g\n"),
    ],
)
def test_a_file_without_it_gets_it_at_its_place(text: str, after: str) -> None:
    """No file, no such service, no services at all, no image: what is missing is added, and marked as ours."""
    assert with_image(text, "coolify", IMAGE) == after


@pytest.mark.parametrize(
    "text",
    [
        "services: {coolify: {image: a}}\n",
        "services:\n  coolify:\n",
        "services:\n  coolify: null\n",
        "services:\n- coolify\n",
        "x: &c\n  image: a\nservices:\n  coolify: *c\n  other: *c\n",
        "x: &c\n  image: a\nservices:\n  coolify:\n    <<: *c\n    image: b\n  other: *c\n---\na: 1\n",
        "services:\n  coolify:\n    image: a\n   mem_limit: 1g\n",
        "services:\n  coolify:\n    a: &x 1\n    b: &x 2\n",
        "services:\n  coolify:\n    image: a\n  coolify:\n    image: b\n",
    ],
)
def test_a_form_that_is_not_understood_is_refused_not_guessed(text: str) -> None:
    """Flow style, empty services, aliases, two documents, broken YAML: a person writes it by hand."""
    with pytest.raises(InputError):
        with_image(text, "coolify", IMAGE)


def test_an_alias_elsewhere_keeps_its_own_image() -> None:
    """A service that shares an anchored mapping through a merge key gets its own image, and the others keep theirs."""
    text = "x: &c\n  image: a\nservices:\n  coolify:\n    <<: *c\n    tty: true\n  other:\n    <<: *c\n"
    services = read_compose(with_image(text, "coolify", IMAGE))["services"]
    assert services == {"coolify": {"image": IMAGE, "tty": True}, "other": {"image": "a"}}


@given(files())
def test_an_image_that_was_set_is_taken_out_again_and_the_rest_stays_as_it_was(text: str) -> None:
    """Whatever else is in the file is there value by value and line by line; a file without an image is left alone."""
    bare = without_image(text, "coolify")
    before, now = read_compose(text), read_compose(bare)
    services, rest = before["services"], now.get("services", {})
    assert isinstance(services, dict)
    assert isinstance(rest, dict)
    own, left = services["coolify"], rest.get("coolify", {})
    assert isinstance(own, dict)
    assert left == {key: value for key, value in own.items() if key != "image"}
    assert {**now, "services": {**rest, "coolify": own}} == before
    assert without_image(bare, "coolify") == bare
    assert without_image(with_image(bare, "coolify", IMAGE), "coolify") == bare


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", ""),
        (FRESH, ""),
        ("services:\n  coolify:\n    image: theirs\n", ""),
        (f"networks:\n  own: {{}}\n{FRESH}", "networks:\n  own: {}\n"),
        (f"{FRESH}  redis:\n    image: r\n", "services:\n  redis:\n    image: r\n"),
        (
            "services:\n  coolify:\n    image: a # why\n    tty: true\n",
            "services:\n  coolify:\n    # why\n    tty: true\n",
        ),
        (f"# ours\n{FRESH}", "# ours\nservices: {}  # set by ink-infra-mcp\n"),
        ("services:\n  # x\n  coolify: # y\n    image: a\n", "  # x\n  # y\nservices: {}  # set by ink-infra-mcp\n"),
        ("services:\n  redis:\n    image: r\n", "services:\n  redis:\n    image: r\n"),
    ],
)
def test_a_file_goes_with_its_image_only_where_nothing_of_others_is_left(text: str, after: str) -> None:
    """Empty: the file may go. Keys and comments of others stay, and Docker Compose takes what is left."""
    assert without_image(text, "coolify") == after


def test_a_file_of_comments_alone_gets_its_image_back() -> None:
    """What says that there are no services gives way to them."""
    assert with_image(without_image(f"# ours\n{FRESH}", "coolify"), "coolify", IMAGE) == f"# ours\n{FRESH}"


@pytest.mark.parametrize(
    "text",
    [
        "services: {coolify: {image: a}}\n",
        "services:\n  coolify:\n    image: >-\n      a\n",
        "services:\n  coolify: &c\n    image: a\n  other: *c\n",
        "x: &c\n  image: a\nservices:\n  coolify:\n    <<: *c\n",
        "services:\n  coolify:\n    image: &i a\n  other:\n    image: *i\n",
        "services:\n  coolify:\n    ? image\n    : a\n",
        "services:\n- coolify\n",
    ],
)
def test_an_image_that_cannot_be_taken_out_of_the_text_is_refused_not_guessed(text: str) -> None:
    """Flow style, several lines, aliases, merge keys: a person takes it out by hand."""
    with pytest.raises(InputError):
        without_image(text, "coolify")
