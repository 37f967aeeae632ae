"""The tests of the profiles: they are found by their ids, and one that nothing could be read by is refused."""

from importlib.resources import files

import pytest

from tests.wire.samples import VE_PAYLOAD
from wire import profiles
from wire.acta import Acta, Refusal
from wire.errors import OurFault

TOML = {profile_id: files(profiles).joinpath(f"{profile_id}.toml").read_text("utf-8") for profile_id in profiles.IDS}
VE, BR = TOML["ve-2024-presidential"], TOML["br-bu-1.5"]


def changed(toml: str, old: str, new: str) -> str:
    assert toml.count(old) == 1, old
    return toml.replace(old, new)


@pytest.mark.parametrize("profile_id", profiles.IDS)
def test_each_profile_has_the_id_of_its_file(profile_id: str) -> None:
    assert profiles.named(profile_id).id == profile_id
    assert profiles.named(profile_id) == profiles.parse(TOML[profile_id])


def test_two_layouts_keep_each_other_honest() -> None:
    assert profiles.IDS == ("br-bu-1.5", "ve-2024-presidential")
    assert len({type(profiles.named(profile_id)) for profile_id in profiles.IDS}) == 2


@pytest.mark.parametrize("profile_id", ["", "../ve-2024-presidential", "VE-2024-PRESIDENTIAL", "br-bu-1.5.toml"])
def test_a_profile_that_does_not_exist_is_refused_with_those_that_do(profile_id: str) -> None:
    with pytest.raises(OurFault, match=r"use one of br-bu-1\.5, ve-2024-presidential"):
        profiles.named(profile_id)


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("", "missing required field `layout`"),
        ("layout", "cannot be used"),
        ("id = 'x'\nlayout = 'drawn'", "Invalid value 'drawn'"),
        (VE[:300], "cannot be used"),
        (changed(VE, 'separator = "!"', 'separator = "!"\ncolour = "red"'), "unknown field `colour`"),
        (
            changed(VE, 'separator = "."', 'separator = "."\ncolour = "red"'),
            r"unknown field `colour` - at `\$.section\[0\]",
        ),
        (changed(BR, 'part = "QRBU"', 'part = "QRBU"\ncolour = "red"'), "unknown field `colour`"),
        (changed(VE, 'separator = "!"', ""), "missing required field `separator`"),
        (changed(BR, 'nulos = "NULO"', ""), "missing required field `nulos`"),
        (changed(VE, 'separator = "!"', "separator = 1"), "Expected `str`, got `int`"),
        (changed(VE, 'counts = "nulos"', 'counts = "blank"'), "Invalid enum value 'blank'"),
        (changed(VE, 'counts = "nulos"', 'counts = "vacios"'), "must count `votes`, `nulos` and `vacios`"),
        (changed(VE, 'counts = "nulos"', ""), "must count `votes`, `nulos` and `vacios`"),
        (changed(VE, '"[0-9]{9}"', '"[0-9"'), "`pattern` of centro: unterminated character set"),
        (changed(VE, 'name = "f4"', 'name = "f3"'), "each field must have a name of its own"),
        (changed(VE, 'mesa = ["centro", "mesa"]', 'mesa = ["centre"]'), "`mesa` must be of them"),
        (changed(VE, '"AREPA"', '"VPA"'), "each of `options` must have a name of its own"),
        (changed(VE, "valid = [14, 833]", "valid = [14]"), "length 2"),
        (VE + '\n[[contest]]\nid = "mayor"\ncandidates = []\n', "length 1"),
        (changed(BR, 'part = "QRBU"', 'part = "PAGE"'), "must be among `header`"),
        (changed(BR, 'VRQR = "1.5"', 'VRQX = "1.5"'), "must be among `header`"),
        ('signing_key = "00"\n' + BR, "signing_key"),
        (f'signing_key = "{"G" * 64}"\n' + BR, "signing_key"),
    ],
)
def test_a_profile_that_nothing_could_be_read_by_is_refused(toml: str, reason: str) -> None:
    with pytest.raises(OurFault, match=reason) as fault:
        profiles.parse(toml)
    assert str(fault.value).startswith("the profile cannot be used: ")
    assert str(fault.value).endswith(": correct its TOML")


def test_a_ballot_of_37_options_takes_37_counts() -> None:
    profile = profiles.parse(changed(VE, '"MUD"', "").replace('"MPV", ]', '"MPV"]'))
    refusal = profile.read([VE_PAYLOAD])
    assert isinstance(refusal, Refusal)
    assert str(refusal) == "the payload has 38 counts of votes, the profile ve-2024-presidential has 37"
    who, votes, nulos, vacios = VE_PAYLOAD.split("!")
    acta = profile.read(["!".join((who, votes.rpartition(",")[0], nulos, vacios))])
    assert isinstance(acta, Acta)
    assert len(acta.contests[0].votes) == 37
    with pytest.raises(KeyError):
        profile.candidate("presidential", "MUD")


def test_a_signing_key_may_be_added_to_a_profile() -> None:
    profiles.parse(f'signing_key = "{"0" * 64}"\n' + BR)
