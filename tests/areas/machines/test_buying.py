"""What is planned for Cloud servers that are wanted: bought, gone on with, or refused with what there is to choose."""

from decimal import Decimal

import pytest

from ink_infra_mcp.areas.machines.buying import (
    address_after,
    deleting,
    group_steps,
    key_steps,
    lost_with,
    server_steps,
)
from ink_infra_mcp.areas.machines.cloud_servers import CloudFacts, CloudServer, ServerFact
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.money import Price
from ink_infra_mcp.core.offers import Offer
from ink_infra_mcp.core.plan import Plan, Step
from ink_infra_mcp.core.ssh_key import PublicKey
from ink_infra_mcp.core.step import result_of

KEY = PublicKey(name="ink", line="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9tJuoUlksIC3onGH1XJJiR0Y8gBTrU4oKmizVeJtIj")
WANTED = CloudServer(
    name="muscle-3",
    server_type="ccx43",
    location="fsn1",
    keys=(KEY,),
    firewalls=("7", result_of("create_firewall", "firewall")),
    placement_group="ink-muscles",
    backups=True,
    labels={"role": "muscle"},
)
THERE = ServerFact(
    id=5, name="muscle-3", server_type="ccx43", location="fsn1", status="running", ours=True, ipv4="203.0.113.9"
)


def offer(name: str = "ccx43", location: str = "fsn1", *, available: bool = True, leaves: str = "") -> Offer:
    """Return an offer of 16 cores and 64 GB."""
    return Offer(
        source="hetzner_cloud",
        name=name,
        location=location,
        cores=16,
        memory_gb=Decimal(64),
        disk_gb=360,
        cpu="dedicated",
        architecture="x86",
        available=available,
        leaves=leaves,
        price=Price.monthly(Decimal("96.99"), Decimal("115.42")),
    )


FACTS = CloudFacts(offers=(offer(), offer(location="nbg1")))


def planned(wanted: CloudServer, facts: CloudFacts) -> tuple[Step, ...]:
    """Return all the steps for a server."""
    return (*key_steps([wanted], facts), *group_steps([wanted], facts), *server_steps(wanted, facts, "muscle_3_"))


def test_a_server_is_bought_with_everything_in_one_step() -> None:
    """The key and the group come first where they are not there; the purchase uses what they and others return."""
    key, group, create = planned(WANTED, FACTS)
    assert (key.kind, group.kind) == ("hetzner_cloud.create_ssh_key", "hetzner_cloud.create_placement_group")
    assert create.params == {
        "name": "muscle-3",
        "server_type": "ccx43",
        "location": "fsn1",
        "image": "debian-13",
        "ssh_keys": [result_of(key.id, "name")],
        "firewalls": ["7", result_of("create_firewall", "firewall")],
        "networks": [],
        "labels": {"role": "muscle", "ink-access": "public"},
        "ipv4": True,
        "backups": True,
        "first_host_key": True,
        "placement_group": result_of(group.id, "placement_group"),
    }
    assert create.uses == (key.id, "create_firewall", group.id)
    assert create.can_undo_itself
    assert create.summary == "Buy the Cloud server muscle-3: ccx43 at fsn1, debian-13"
    assert create.after == "16 cores, 64 GB memory, 360 GB disk, backed up daily, protected against deletion"


def test_what_the_project_has_already_is_used() -> None:
    """A key under another name, and a group that is there, need no step."""
    facts = FACTS.model_copy(update={"keys": {KEY.fingerprint: "old"}, "groups": {"ink-muscles": "44"}})
    [create] = planned(WANTED.model_copy(update={"firewalls": ()}), facts)
    assert (create.params["ssh_keys"], create.params["placement_group"], create.uses) == (["old"], "44", ())


def test_two_servers_of_one_plan_share_their_key_and_group() -> None:
    """One step each for both, and their steps have ids of their own: it is a plan."""
    both = [
        WANTED.model_copy(update={"firewalls": ()}),
        WANTED.model_copy(update={"name": "muscle-4", "firewalls": ()}),
    ]
    steps = [*key_steps(both, FACTS), *group_steps(both, FACTS)]
    for number, wanted in enumerate(both):
        steps += server_steps(wanted, FACTS, f"m{number}_")
    plan = Plan(tool="add_muscle", title="t", target="fleet", locks=("money:hetzner_cloud",), steps=tuple(steps))
    assert len(plan.steps) == 4


def test_a_server_that_we_bought_goes_on() -> None:
    """It is not bought again: only what it lacks is planned, and nothing where it lacks nothing."""
    wanted = WANTED.model_copy(update={"network": 9})
    lacking = server_steps(wanted, CloudFacts(servers={"muscle-3": THERE}, networks=(9,)), "m_")
    assert [step.id for step in lacking] == ["m_set_protection", "m_enable_backup", "m_attach_to_network"]
    whole = THERE.model_copy(update={"protected": True, "backed_up": True, "private": {"9": "10.250.0.2"}})
    facts = CloudFacts(servers={"muscle-3": whole}, networks=(9,))
    assert server_steps(wanted, facts) == ()
    assert address_after(wanted, facts, field="private_address") == "10.250.0.2"
    assert address_after(wanted, facts, field="ipv4") == "203.0.113.9"


def test_an_address_to_come_is_a_result() -> None:
    """Later steps take it from the purchase, or from the attachment of a server that is there."""
    assert address_after(WANTED, FACTS, "m_", "ipv6") == result_of("m_create_server", "ipv6")
    wanted, facts = WANTED.model_copy(update={"network": 9}), CloudFacts(servers={"muscle-3": THERE})
    to_come = address_after(wanted, facts, "m_", "private_address")
    assert to_come == result_of("m_attach_to_network", "private_address")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (
            CloudFacts(servers={"muscle-3": THERE.model_copy(update={"ours": False})}),
            "A server called muscle-3 is in the project already (5, ccx43, 203.0.113.9), and we did not make it. "
            "Nothing was changed. Take it in as an existing server by its address, or choose another name.",
        ),
        (
            CloudFacts(servers={"muscle-3": THERE.model_copy(update={"location": "hel1"})}),
            "muscle-3 is there already, as ccx43 at hel1, not ccx43 at fsn1. Nothing was changed. "
            "Name what it is, choose another name, or remove it first.",
        ),
        (
            CloudFacts(offers=(offer(available=False), offer(location="nbg1"))),
            "ccx43 is sold out at fsn1, so muscle-3 cannot be bought. Nothing was changed. "
            "Instead: ccx43 at nbg1 for 96.99 EUR (115.42 EUR with VAT) a month.",
        ),
        (
            CloudFacts(offers=(offer(leaves="2027-01-01"),)),
            "ccx43 is on its way out at fsn1, so muscle-3 cannot be bought. Nothing was changed. "
            "See list_server_offers for what there is.",
        ),
        (
            CloudFacts(),
            "ccx43 is not sold at fsn1, so muscle-3 cannot be bought. Nothing was changed. "
            "See list_server_offers for what there is.",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_there_is_to_choose(facts: CloudFacts, told: str) -> None:
    """Nothing is planned over another server, or for a machine that is not to be had."""
    with pytest.raises(InputError) as refused:
        server_steps(WANTED, facts)
    assert str(refused.value) == told


def test_a_network_that_is_not_there_is_refused() -> None:
    """The refusal names those that are."""
    with pytest.raises(InputError, match=r"no network 9\. Nothing was changed\. Networks of the project: 3\."):
        server_steps(WANTED.model_copy(update={"network": 9}), FACTS.model_copy(update={"networks": (3,)}))


def test_deleting_names_what_was_seen_and_what_is_lost() -> None:
    """The step compares name and labels; the words say what goes, and what stays and costs."""
    server = THERE.model_copy(update={"protected": True, "labels": {"role": "muscle"}, "volumes": (8,)})
    [step] = deleting(server, "m_")
    assert step.params == {"server": "5", "name": "muscle-3", "labels": {"role": "muscle"}, "unprotect": True}
    assert lost_with(server) == (
        "gone for good: the disk of muscle-3, 203.0.113.9",
        "stays, and costs money: volumes 8",
    )
