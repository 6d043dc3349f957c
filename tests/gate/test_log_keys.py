"""Another key for the audit log: signed by the old one, the new one and an administrator, and safe wherever it is cut."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runplane_mcp.app import create_home, open_desk, open_gate
from runplane_mcp.core.approval import Role
from runplane_mcp.core.checkpoint import fingerprint, parse, who_signed
from runplane_mcp.errors import RunplaneError
from runplane_mcp.gate.audit.auditing import Audit, Said, audit
from runplane_mcp.gate.audit.log_keys import Rotated, newest_checkpoint, rotate
from runplane_mcp.settings import Settings
from runplane_mcp.store.anchors import log_of
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.log_key import next_key_path, read_key
from runplane_mcp.store.sqlite import open_store
from tests.crash import Probe, points_of, race, run_and_kill
from tests.gate.conftest import CHEAP_SCRYPT, SECRET, House
from tests.store.keeping import event

POINTS = ("rotate.written", "rotate.told", "rotate.in_force")
MARIA = f"{SECRET} maria"


def kept(settings: Settings) -> Kept:
    return Kept(settings.checkpoint_file, settings.log_key)


def audited(settings: Settings, *copies: Path) -> Audit:
    return audit(settings.database, settings.checkpoint_file, copies=copies)


async def changed(settings: Settings, *, lost: bool = False, probe: Probe = lambda _: None) -> Rotated:
    async with open_desk(settings, scrypt_n=CHEAP_SCRYPT) as desk:
        return await rotate(desk, settings.log_key, admin="maria", secret=MARIA, lost=lost, probe=probe)


async def refusal(settings: Settings, *, lost: bool = False) -> str:
    with pytest.raises(RunplaneError) as refused:
        await changed(settings, lost=lost)
    assert refused.value.next_step
    return refused.value.code


def in_use(settings: Settings) -> bytes:
    """The key that the log names."""
    return log_of(settings.database)[0].keys[0].public


def own(settings: Settings) -> bytes:
    """The key that lies in the home."""
    return read_key(settings.log_key).public_key().public_bytes_raw()


async def test_checkpoints_are_by_the_new_key_and_older_ones_still_count(house: House, tmp_path: Path) -> None:
    await house.enrol()
    settings, copy = house.settings, tmp_path / "copy"
    copy.write_bytes(settings.checkpoint_file.read_bytes())
    before = own(settings)
    done = await changed(settings)

    assert own(settings) == in_use(settings) != before
    assert (done.key, done.previous, done.by) == (fingerprint(own(settings)), fingerprint(before), "maria")
    assert who_signed(parse(settings.checkpoint_file.read_bytes()), [own(settings)])[1] == own(settings)
    found = audited(settings, copy)
    assert found.ok, found.problem
    assert [each.said for each in found.compared] == [Said.SAME, Said.SAME]
    assert [each.key for each in found.compared] == [done.key, done.previous]
    assert settings.log_key.stat().st_mode & 0o077 == 0


async def test_a_gate_that_runs_goes_on_signing_with_the_new_key(house: House, tmp_path: Path) -> None:
    await house.enrol()
    async with house.gate():
        await changed(house.settings)
    note = parse(house.settings.checkpoint_file.read_bytes())

    assert who_signed(note, [own(house.settings)])[1] == in_use(house.settings)
    assert audited(house.settings).ok


async def test_only_an_administrator_with_their_secret_changes_it(house: House) -> None:
    await house.enrol()
    await house.enrol("lee", role=Role.APPROVER, by="maria")
    before = own(house.settings)
    codes = []
    for admin, secret in ((None, ""), ("lee", f"{SECRET} lee"), ("maria", "wrong horse"), ("eve", MARIA)):
        async with house.desk() as desk:
            with pytest.raises(RunplaneError) as refused:
                await rotate(desk, house.settings.log_key, admin=admin, secret=secret)
            codes.append(refused.value.code)

    assert codes == ["person.admin_needed", "person.not_admin", "person.secret", "person.unknown"]
    assert own(house.settings) == in_use(house.settings) == before


async def test_a_lost_key_is_replaced_and_the_log_says_that_it_was_lost(house: House) -> None:
    await house.enrol()
    assert await refusal(house.settings, lost=True) == "store.log_key_there"
    house.settings.log_key.unlink()
    assert await refusal(house.settings) == "store.log_key_missing"
    await changed(house.settings, lost=True)

    assert own(house.settings) == in_use(house.settings)
    found = audited(house.settings)
    assert found.ok, found.problem


async def test_a_home_without_its_key_says_so_and_decides(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.settings.log_key.unlink()
    before = house.settings.checkpoint_file.read_bytes()
    async with house.gate():
        pass

    assert "store.log_key_missing" in caplog.text
    assert not house.settings.log_key.exists()
    assert house.settings.checkpoint_file.read_bytes() == before
    with pytest.raises(RunplaneError):
        newest_checkpoint(house.settings.database, kept(house.settings))


def home_of(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home")

    async def make() -> None:
        async with create_home(settings):
            pass
        async with open_desk(settings, scrypt_n=CHEAP_SCRYPT) as desk:
            await desk.add_person("maria", role=Role.ADMIN, groups=frozenset({"finance"}), secret=MARIA)

    asyncio.run(make())
    return settings


def rotated(settings: Settings, probe: Probe) -> None:
    asyncio.run(changed(settings, probe=probe))


def test_a_rotation_names_its_points(tmp_path: Path) -> None:
    settings = home_of(tmp_path)

    assert points_of(lambda probe: rotated(settings, probe)) == POINTS


@pytest.mark.parametrize("point", POINTS)
def test_wherever_it_is_cut_the_key_that_the_log_names_is_there(tmp_path: Path, point: str) -> None:
    settings = home_of(tmp_path)
    before = own(settings)
    run_and_kill(lambda probe: rotated(settings, probe), point)
    told = in_use(settings) != before
    assert told == (point != "rotate.written")

    async def go_on() -> None:
        async with open_gate(settings, simulator=True):
            pass

    asyncio.run(go_on())
    assert own(settings) == in_use(settings)
    assert who_signed(parse(settings.checkpoint_file.read_bytes()), [own(settings)])[1] is not None
    asyncio.run(changed(settings))
    assert own(settings) == in_use(settings)
    assert not next_key_path(settings.log_key).exists()
    assert audited(settings).ok


def test_of_several_at_once_each_that_is_done_holds(tmp_path: Path) -> None:
    settings = home_of(tmp_path)

    def attempt() -> str:
        try:
            return asyncio.run(changed(settings)).key
        except RunplaneError as error:
            return error.code

    ended = race([attempt] * 4)

    done = [each for each in ended if not each.startswith("store.")]
    assert done
    assert {each for each in ended if each.startswith("store.")} <= {"store.log_key_busy"}
    assert len(log_of(settings.database)[0].keys) == 1 + len(done)
    assert fingerprint(own(settings)) in done
    assert own(settings) == in_use(settings)
    assert audited(settings).ok


@pytest.mark.slow
def test_whoever_looks_while_others_write_and_change_the_key_sees_nothing_wrong(tmp_path: Path) -> None:
    settings = home_of(tmp_path)

    def write() -> int:
        async def main() -> None:
            store = open_store(settings.database, kept=kept(settings), checkpoint_every=0.0)
            for _ in range(150):
                await store.write(event)
            await store.close()

        asyncio.run(main())
        return 0

    def change() -> int:
        for _ in range(5):
            asyncio.run(changed(settings))
        return 0

    def look() -> list[object]:
        found = [audited(settings) for _ in range(15)]
        return [each.problem for each in found if not (each.ok and each.anchored)]

    assert race([write, write, change, look])[-1] == []
    assert audited(settings).covered == audited(settings).verification.events
