"""Image references as Docker reads them, and those that name what was built for another app."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.images import Reference, image_problem, reference_of

UUID = "abcdefghijklmnopqrstuvwx"
DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("nginx", "", "")),
        ("nginx:1.27", ("nginx", "1.27", "")),
        ("registry.example.com:5000/a/b-c_d:1@sha256:" + DIGEST, ("registry.example.com:5000/a/b-c_d", "1", DIGEST)),
        ("ghcr.example.com/a/b@sha256:" + DIGEST, ("ghcr.example.com/a/b", "", DIGEST)),
        ("localhost:5000/a", ("localhost:5000/a", "", "")),
    ],
)
def test_a_reference_has_its_parts(image: str, parts: tuple[str, str, str]) -> None:
    """Registry with its port, repository, tag and digest; whatever is a reference may run."""
    assert reference_of(image) == Reference(*parts)
    assert image_problem(image) == ""


@pytest.mark.parametrize(
    "image", ["", "A", "a b", "a:", "a@sha256:1", "-a", "a//b", "a:b:c", "https://example.com/a", "a/"]
)
def test_what_is_no_reference_is_refused(image: str) -> None:
    """Docker would refuse it at the deployment."""
    assert image_problem(image) == f"{image} is no reference such as name:tag or name@sha256:digest"


@pytest.mark.parametrize("hub", ["", "docker.io/", "index.docker.io/", "docker.io/library/", "library/"])
@pytest.mark.parametrize("rest", ["", ":1", "_web:abc", "-web", f"@sha256:{DIGEST}", ":${TAG}", ":x-${TAG:-1}"])
def test_the_image_of_another_app_is_refused_in_every_spelling(hub: str, rest: str) -> None:
    """Docker finds `docker.io/library/a` as `a` on the server; whoever runs it can read what is in it."""
    assert "what Coolify calls images that it built" in image_problem(hub + UUID + rest)


@pytest.mark.parametrize(
    "image", ["${IMAGE}", "$IMAGE:1", "a${B}:1", "reg.example.com/${A}/b:1", "${R:-a}/b", f"${{X}}{UUID}"]
)
def test_a_variable_chooses_no_image(image: str) -> None:
    """Its value is not in the plan, and may be the image of another app."""
    assert image_problem(image) == f"{image} lets a variable choose the image; it may choose the tag"


@pytest.mark.parametrize("image", ["a:${TAG}", "reg.example.com:5000/a/b:${TAG:-latest}", "a:v$TAG", "a:1@${DIGEST}"])
def test_a_variable_may_choose_the_tag(image: str) -> None:
    """What most compose files do."""
    assert image_problem(image) == ""


@given(st.text(max_size=60))
def test_no_text_with_a_name_of_an_app_in_front_passes(text: str) -> None:
    """Whatever follows the uuid, it is refused, unless a path makes another repository of it."""
    repository = text.partition(":")[0].partition("@")[0]
    assert image_problem(UUID + text) != "" or "/" in repository or repository[:1].isalnum()


@pytest.mark.parametrize(
    "image", ["7", "deadbeef", "a" * 64, "sha256:" + "a" * 64, "sha256:72e0655d368a", "sha256:${X}"]
)
def test_an_id_of_an_image_is_refused(image: str) -> None:
    """Docker looks for it on the server, however short, and runs whatever was built there for somebody."""
    assert "may be the id of an image on the Muscle" in image_problem(image)


def test_a_registry_whose_port_is_a_variable_is_no_repository() -> None:
    """What looks like a tag would be a port and another repository."""
    assert image_problem("evil.example.com:${T}") != ""
