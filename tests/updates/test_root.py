"""The root: a key that is lost is replaced, and units that were off for long find their way from the root they know."""

from securesystemslib.signer import CryptoSigner

from provisioning.release import ROOT_DAYS, TARGETS_DAYS
from tests.updates.desk import DAY_SECONDS, Desk, Unit


def rotated(desk: Desk, *signers: CryptoSigner, **new: object) -> None:
    desk.repository.draw_root(**new)  # type: ignore[arg-type]
    assert [desk.repository.sign_root(signer) for signer in signers][-1] == 0


def test_a_lost_root_key_is_replaced_by_the_two_others(desk: Desk, unit: Unit) -> None:
    new = CryptoSigner.generate_ecdsa()
    keys = [desk.roots[0], desk.roots[1], new]
    rotated(desk, *desk.roots[:2], roots=[each.public_key for each in keys])
    desk.roots = keys
    rotated(desk, desk.roots[1], new)
    desk.release("0.1.2")
    assert unit.look() == 2


def test_a_stolen_key_of_releases_signs_none_once_it_is_replaced(desk: Desk, unit: Unit) -> None:
    stolen, desk.targets = desk.targets, CryptoSigner.generate_ecdsa()
    older = desk.copied("older")
    rotated(desk, *desk.roots[1:], targets=desk.targets.public_key)
    theirs = Desk.__new__(Desk)
    theirs.folder, theirs.now, theirs.targets, theirs.snapshot = older, desk.now, stolen, desk.snapshot
    for version in "6.6.6", "6.6.7":
        theirs.release(version)
    assert unit.look() is None, "what is there is signed by the old key, and has to be signed anew"
    desk.repository.spread(100, desk.targets, desk.snapshot)
    assert unit.look() == 1
    unit.mirrors = (str(older),)
    assert unit.look() is None
    assert "targets was signed by 0/1 keys" in unit.told[-1][1]["why"]


def test_a_unit_that_was_off_for_ten_roots_goes_through_all_of_them(desk: Desk, unit: Unit) -> None:
    for _ in range(10):
        old, desk.roots = desk.roots, [CryptoSigner.generate_ecdsa() for _ in range(3)]
        rotated(desk, *old[:2], *desk.roots[:2], roots=[each.public_key for each in desk.roots])
    assert unit.look() == 1


def test_roots_that_have_expired_on_the_way_are_gone_through_and_the_last_must_not_have(desk: Desk, unit: Unit) -> None:
    desk.now = unit.since = desk.now + (ROOT_DAYS + 1) * DAY_SECONDS
    unit.day = unit.since + 10**8
    desk.repository.spread(100, desk.targets, desk.snapshot)
    assert unit.look() is None
    assert "root.json is expired" in unit.whys()
    rotated(desk, *desk.roots[:2])
    assert unit.look() == 1


def test_releases_that_nobody_has_signed_for_a_year_are_none(desk: Desk, unit: Unit) -> None:
    desk.now = unit.since = desk.now + (TARGETS_DAYS + 1) * DAY_SECONDS
    unit.day = unit.since + 10**8
    desk.repository.refresh(desk.snapshot)
    assert unit.look() is None
    assert "targets is expired" in unit.whys()
