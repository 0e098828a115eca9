"""Arguments as hosts send them: what is taken for what it means, and what is never guessed, for every tool."""

import json
import string
from typing import Annotated, Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from ink_infra_mcp.core.arguments import Mark, taken
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.words import of_fault
from ink_infra_mcp.tools import ALL
from ink_infra_mcp.tools.add_muscle import Args as AddMuscle
from ink_infra_mcp.tools.deploy_app import Args as Deploy
from ink_infra_mcp.tools.set_app_env import Args as SetEnv

OPTIONAL = [(tool, name) for tool in ALL for name, field in tool.args.model_fields.items() if not field.is_required()]
WIDENING = {("patch_fleet", "servers"), ("repair_server", "parts"), ("apply_firewall", "layers")}
"""What means all where it is left out, of tools that change something."""
NARROWING = {
    ("deploy_app", "publish"),
    ("set_app_env", "remove"),
    ("set_wildcard_domain", "addresses"),
    ("add_muscle", "domains"),
    ("restore_official_coolify", "accept_unisolated"),
}
"""Lists of such tools that mean none, or what is usual for each thing that is named, where they are left out."""
CLEARING = {("deploy_app", name) for name in ("build_command", "start_command", "run_options")}
NAMES = st.text(string.ascii_uppercase, min_size=1, max_size=8)
VALUES = st.one_of(st.just(""), st.text(max_size=20), st.integers(), st.booleans())


def refused(model: type[BaseModel], arguments: dict[str, Any]) -> set[tuple[str | int, ...]]:
    """Return which arguments a tool refuses as hosts send them."""
    try:
        model.model_validate(taken(model, arguments))
    except ValidationError as error:
        return {fault["loc"] for fault in error.errors()}
    return set()


@pytest.mark.parametrize(("tool", "name"), OPTIONAL, ids=lambda part: getattr(part, "name", part))
def test_an_empty_text_for_what_can_be_left_out_is_left_out(tool: Any, name: str) -> None:
    """A host that fills in every argument says nothing by it, unless an empty text is a wish of its own, or may be."""
    kept = (tool.name, name) in CLEARING | WIDENING
    assert taken(tool.args, {name: ""}) == ({name: ""} if kept else {})
    assert taken(tool.args, {name: None}) == {}


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_an_empty_text_is_refused_where_leaving_out_means_all(tool: Any) -> None:
    """It may have meant none: nothing is changed on every server for it. The refusal says what to do."""
    widening = [name for of, name in sorted(WIDENING) if of == tool.name]
    needed = {name: "muscle-1" for name, field in tool.args.model_fields.items() if field.is_required()}
    for name in widening:
        with pytest.raises(ValidationError) as failed:
            tool.args.model_validate(taken(tool.args, needed | {name: ""}))
        assert [(fault["loc"], of_fault(cast("dict[str, Any]", fault))) for fault in failed.value.errors()] == [
            ((name,), "an empty text may mean none: leave it out for all, or name them")
        ]


def test_each_list_of_a_tool_that_changes_something_is_judged_here() -> None:
    """A new one means all where it is left out, and refuses an empty text, or means no more than it says."""
    lists = {
        (tool.name, name)
        for tool in ALL
        for name, field in tool.args.model_fields.items()
        if isinstance(field.default, tuple) and hasattr(tool, "kinds")
    }
    assert lists == NARROWING | (WIDENING - {("apply_firewall", "layers")})


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_an_empty_text_for_what_is_needed_is_refused(tool: Any) -> None:
    """What a tool cannot do without is never taken as said by an empty text."""
    needed = {name for name, field in tool.args.model_fields.items() if field.is_required()}
    assert {str(loc[0]) for loc in refused(tool.args, dict.fromkeys(needed, ""))} == needed


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_no_variable_is_lost_or_changed(values: dict[str, Any]) -> None:
    """Every variable arrives, an empty value as empty, a whole number and a boolean as JSON writes them."""
    wanted = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    assert taken(SetEnv, {"app": "shop", "set": values}) == {"app": "shop", "set": wanted}
    assert taken(Deploy, {"name": "shop", "env": values}) == {"name": "shop", "env": wanted}


@given(st.dictionaries(st.text(max_size=5), st.recursive(VALUES, st.lists, max_leaves=5), max_size=5))
def test_what_no_tool_knows_is_left_to_the_model(values: dict[str, Any]) -> None:
    """Nothing that has no place in a tool is taken away: the model refuses it by name."""
    unknown = {f"?{name}": value for name, value in values.items()}
    assert taken(Deploy, unknown) == unknown


@pytest.mark.parametrize(
    ("given_", "taken_as"),
    [
        ({"cpus": 2}, {"cpus": "2"}),
        ({"cpus": 1.5}, {"cpus": "1.5"}),
        ({"env": {"PORT": 3000, "DEBUG": True, "EMPTY": ""}}, {"env": {"PORT": "3000", "DEBUG": "true", "EMPTY": ""}}),
        ({"memory": "", "cpus": "", "env": "", "publish": "", "redeploy": ""}, {}),
        ({"publish": [8080]}, {"publish": ("8080",)}),
    ],
)
def test_numbers_and_booleans_are_taken_where_a_text_is_meant(given_: dict[str, Any], taken_as: dict[str, Any]) -> None:
    """What a model writes without quotes is what it means, as the tool's own arguments show."""
    whole = {"name": "shop", "image": "registry.example.com/shop:1"}
    found = Deploy.model_validate(taken(Deploy, whole | given_))
    assert found == Deploy.model_validate(whole | taken_as)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"memory": 512}, ("memory",)),
        ({"env": {"VERSION": 1.1}}, ("env", "VERSION")),
        ({"env": {"LIST": [1]}}, ("env", "LIST")),
        ({"env": {"NONE": None}}, ("env", "NONE")),
        ({"branch": 1.1}, ("branch",)),
        ({"cpus": 1e30}, ("cpus",)),
        ({"redeploy": 7}, ("redeploy",)),
        ({"start_command": False}, ("start_command",)),
        ({"branch": True}, ("branch",)),
    ],
)
def test_what_could_mean_two_things_is_refused(arguments: dict[str, Any], where: tuple[str, ...]) -> None:
    """Memory has a unit, 1.1 may have been 1.10, null is no text, no command is called false: no guess is made."""
    whole = {"name": "shop", "image": "registry.example.com/shop:1"}
    assert refused(Deploy, whole | arguments) == {where}


class Left(BaseModel):
    """One way."""

    kind: Literal["left"]
    port: str = "22"
    user: str


class Right(BaseModel):
    """The other way, whose port is a number."""

    kind: Literal["right"]
    port: int | None = None


class Both(BaseModel):
    """Arguments with parts."""

    model_config = ConfigDict(extra="forbid")

    way: Left | Right
    many: tuple[Left, ...] = ()
    note: Annotated[str, Mark.CLEARS] = "as it was"


def test_parts_are_read_by_their_kind() -> None:
    """In an object within the arguments the same holds, by the kind that it says it is."""
    left, right = {"kind": "left", "port": 22, "user": ""}, {"kind": "right", "port": 22}
    assert taken(Both, {"way": left, "note": ""}) == {"way": {**left, "port": "22"}, "note": ""}
    assert taken(Both, {"way": right, "many": [left]}) == {"way": right, "many": [{**left, "port": "22"}]}
    assert taken(Both, {"way": {"kind": "other", "port": 22}}) == {"way": {"kind": "other", "port": 22}}


@pytest.mark.parametrize("silent", ["", None, 0, False, [], {}])
def test_what_another_part_of_a_union_has_is_left_out_where_it_says_nothing(silent: object) -> None:
    """A host that fills in the whole of what it saw as one object says no more than its kind and what that has."""
    right: dict[str, object] = {"kind": "right", "port": 22}
    assert taken(Both, {"way": {**right, "user": silent}}) == {"way": right}


def test_what_another_part_of_a_union_has_is_refused_where_it_says_something() -> None:
    """A wish that its kind cannot meet is never dropped: a wipe that is asked for of the wrong machine is told."""
    cloud: dict[str, object] = {"kind": "hetzner_cloud", "server_type": "cx53", "location": "fsn1"}
    nothing: dict[str, object] = {"machines": list[str](), "numbers": list[int](), "install": "", "network": None}
    whole = {**cloud, **nothing, "image": "debian-13"}
    assert refused(AddMuscle, {"names": ["s3"], "source": whole}) == set()
    assert refused(AddMuscle, {"names": ["s3"], "source": {**whole, "install": "Debian"}}) == {
        ("source", "hetzner_cloud", "install")
    }


def test_variables_are_given_as_lines_or_by_name() -> None:
    """`NAME=value` lines and an object mean the same, whatever stands in a value."""
    lines = ["PORT=3000", "EMPTY=", "QUERY=a=b\tc"]
    by_name = {"PORT": "3000", "EMPTY": "", "QUERY": "a=b\tc"}
    assert SetEnv.model_validate(taken(SetEnv, {"app": "shop", "set": lines})) == SetEnv(app="shop", set=by_name)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("hunter2", "entry 2 is not NAME=value"),
        (7, "entry 2 is not NAME=value"),
        ("A=hunter2", "entry 2 names a variable that an earlier one has set"),
    ],
)
def test_a_line_that_sets_no_variable_is_refused_without_its_value(line: object, why: str) -> None:
    """Which line it is is said, and nothing of it: it may be a secret."""
    with pytest.raises(ValidationError) as caught:
        SetEnv.model_validate(taken(SetEnv, {"app": "shop", "set": ["A=1", line]}))
    assert [(fault["loc"], fault["msg"]) for fault in caught.value.errors()] == [(("set",), f"Value error, {why}")]


def test_a_line_of_options_is_the_argument_that_it_names() -> None:
    """What goes over the wire as lines means what the argument means: texts, numbers, choices, lists, and wishes."""
    given_ = ["branch=main", "port=8080", "build_pack=static", "publish=5432/tcp, 53/udp", "start_command=", "cpus=1.5"]
    whole: dict[str, Any] = {"name": "shop", "repository": "https://github.com/example/shop"}
    assert Deploy.model_validate(taken(Deploy, {**whole, "options": [*given_, "redeploy=true"]})) == Deploy(
        **whole,
        branch="main",
        port=8080,
        build_pack="static",
        publish=("5432/tcp", "53/udp"),
        start_command="",
        cpus="1.5",
        redeploy=True,
    )
    assert taken(Deploy, {**whole, "options": []}) == taken(Deploy, {**whole, "options": None}) == whole


def test_every_option_of_every_tool_is_taken_as_a_line() -> None:
    """No argument is out of reach for a host that sends no more than the schema shows."""
    lines = {
        name: tool for tool in ALL for name, field in tool.args.model_fields.items() if Mark.OPTION in field.metadata
    }
    assert {name: [*taken(tool.args, {"options": [f"{name}=x"]})] for name, tool in lines.items()} == {
        name: [name] for name in lines
    }
    assert {"branch", "wait_s", "production"} <= lines.keys()


def test_an_option_that_nobody_knows_is_refused_by_its_name() -> None:
    """A line with a wrong name is no argument that is left out: it is told, as every other is."""
    assert refused(Deploy, {"name": "shop", "options": ["brnch=main"]}) == {("brnch",)}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["branch=main", "branch"], "Entry 2 of options is not NAME=value."),
        ([7], "Entry 1 of options is not NAME=value."),
        (["branch=a", "branch=b"], "Entry 2 of options says again what is said already."),
        (["name=hunter2"], "Entry 1 of options says again what is said already."),
        ("branch=main", "options is no list."),
    ],
)
def test_options_that_say_nothing_or_too_much_are_refused_without_their_values(options: object, why: str) -> None:
    """Which line it is is said, and nothing of it."""
    with pytest.raises(InputError) as caught:
        taken(Deploy, {"name": "shop", "options": options})
    assert caught.value.failed == why


def test_a_tool_without_options_knows_no_such_argument() -> None:
    """The name means something only where a schema shows it."""
    assert refused(SetEnv, {"app": "shop", "set": ["A=1"], "options": ["redeploy=false"]}) == {("options",)}


@pytest.mark.parametrize(
    ("line", "machine"),
    [
        ("192.0.2.7 SHA256:abc", {"address": "192.0.2.7", "host_key": "SHA256:abc"}),
        (
            "2001:db8::7 port=2222 ssh-ed25519 AAAA== root@box user=admin root_login=BOX",
            {
                "address": "2001:db8::7",
                "host_key": "ssh-ed25519 AAAA== root@box",
                "port": 2222,
                "user": "admin",
                "root_login": "BOX",
            },
        ),
        (
            "192.0.2.7 ssh-ed25519 AAAA== inner=10.0.0.7",
            {"address": "192.0.2.7", "host_key": "ssh-ed25519 AAAA==", "inner": "10.0.0.7"},
        ),
    ],
)
def test_a_machine_is_given_as_a_line_or_as_an_object(line: str, machine: dict[str, object]) -> None:
    """Address, host key as it stands in a file of known hosts, and what is otherwise than usual."""
    found = [AddMuscle.model_validate(taken(AddMuscle, _adopted(given_))) for given_ in (line, machine)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "line", ["", "192.0.2.7", "192.0.2.7 SHA256:abc port=x", "192.0.2.7 SHA256:abc root_login=low"]
)
def test_a_machine_s_line_that_lacks_something_is_refused(line: str) -> None:
    """No address or key, or a setting that is none, is refused where it stands."""
    assert ("source", "existing", "machines", 0) in {loc[:4] for loc in refused(AddMuscle, _adopted(line))}


def _adopted(machine: str | dict[str, object]) -> dict[str, Any]:
    access = "private" if "inner" in machine else "public"
    return {"names": ["s3"], "source": {"kind": "existing", "machines": [machine]}, "access": access}
