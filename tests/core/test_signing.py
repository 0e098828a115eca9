"""Signatures of images: a signature is good for one key, one message and one image, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.signing import Form, Signed, Verdict, judge
from tests.signing import Signer, simple, statement

DIGEST, OTHER = f"sha256:{'5' * 64}", f"sha256:{'6' * 64}"
SIGNER = Signer()
FORMS: list[Form] = ["simple", "statement"]


def made(form: Form, payload: bytes) -> Signed:
    """Return a signature of a payload in that form."""
    return Signed(form, payload, SIGNER.sign(Signed(form, payload, b"").message))


@pytest.mark.parametrize("form", FORMS)
def test_the_key_that_signed_vouches_for_that_image_alone(form: Form) -> None:
    """Of several keys the one that did is told; another image of the same key is another image."""
    payload = simple(DIGEST) if form == "simple" else statement(DIGEST)
    keys = (Signer().key, SIGNER.key)
    assert judge(made(form, payload), DIGEST, keys) == Verdict(by=SIGNER.key)
    assert judge(made(form, payload), OTHER, keys) == Verdict(why="of another image")
    assert judge(made(form, payload), DIGEST, keys[:1]) == Verdict(why="by another key")
    assert judge(made(form, payload), DIGEST, ()) == Verdict(why="by another key")


@pytest.mark.parametrize("form", FORMS)
@given(at=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7), of_payload=st.booleans())
def test_a_changed_bit_is_no_signature(form: Form, at: int, bit: int, of_payload: bool) -> None:
    """Whether it is one of what was signed or of the signature."""
    good = made(form, simple(DIGEST) if form == "simple" else statement(DIGEST))
    changed = bytearray(good.payload if of_payload else good.signature)
    changed[at % len(changed)] ^= 1 << bit
    bad = Signed(form, bytes(changed), good.signature) if of_payload else Signed(form, good.payload, bytes(changed))
    assert judge(bad, DIGEST, (SIGNER.key,)) == Verdict(why="by another key")


@given(payload=st.binary(max_size=300), signature=st.binary(max_size=100))
def test_no_bytes_of_others_are_a_signature(payload: bytes, signature: bytes) -> None:
    """Whatever comes from a registry is answered, and never with an exception."""
    for form in FORMS:
        assert judge(Signed(form, payload, signature), DIGEST, (SIGNER.key,)) == Verdict(why="by another key")


@given(payload=st.binary(max_size=300) | st.sampled_from([b"{}", b"null", b"[]", simple("x"), statement("x")]))
def test_what_the_key_signed_beside_images_is_no_signature_of_one(payload: bytes) -> None:
    """A good signature of anything else vouches for no image."""
    for form in FORMS:
        assert judge(made(form, payload), DIGEST, (SIGNER.key,)).by is None


def test_the_two_forms_do_not_stand_for_each_other() -> None:
    """DSSE signs the type too: what was signed in one form cannot be shown as the other."""
    payload = statement(DIGEST)
    plain = Signed("statement", payload, SIGNER.sign(payload))
    wrapped = Signed("simple", payload, made("statement", payload).signature)
    assert [judge(each, DIGEST, (SIGNER.key,)).why for each in (plain, wrapped)] == ["by another key"] * 2
