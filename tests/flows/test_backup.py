"""``insula backup`` while Insula runs, ``insula restore`` into an empty one: the same building, and the same Log."""

import asyncio
import json
import re
import resource
import stat
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from insula import cli
from insula.building.demo import demo_building, demo_plan
from insula.errors import InputError
from insula.messages import Command, CommandResult, Decision
from insula.store.backup import MANIFEST, ROWS_AT_ONCE, backup, restore
from insula.store.building import export_plan, import_plan
from insula.store.devices import list_devices
from insula.store.engine import Store
from insula.store.events import DecisionIn, ResultIn, add_events
from insula.store.log import LogRow, add_log
from insula.store.positions import Stored, move_positions
from insula.store.state import save_state
from insula.store.tables import Change, Log, Position, Room, metadata
from insula.store.values import get_value, put_value


def quiet(_table: str, _done: int, _total: int) -> None: ...


ON_MARIADB = pytest.mark.mariadb
KINDS = [
    ("sqlite", "sqlite"),
    pytest.param(("sqlite", "mariadb"), marks=ON_MARIADB),
    pytest.param(("mariadb", "sqlite"), marks=ON_MARIADB),
]


@pytest.fixture(params=KINDS, ids=lambda kinds: " to ".join(kinds))
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Two databases with empty tables: one to be backed up, one to be restored into."""
    made = []
    for number, kind in enumerate(request.param):
        server = request.getfixturevalue("mariadb") if kind == "mariadb" else None
        store = Store(server.create_database() if server else f"sqlite:///{tmp_path / f'{number}.db'}")
        await store.upgrade()
        await store.start()
        made.append(store)
    try:
        yield made[0], made[1]
    finally:
        for store in made:
            await store.stop()


@pytest.fixture
async def old(stores: tuple[Store, Store]) -> Store:
    """A building that has been running for a while."""
    store, _ = stores
    await import_plan(store, demo_plan())
    async with store.read() as connection:
        device = (await list_devices(connection))[2].device_id
    fields = {"device_id": device, "point": "temperature", "value": 0.1 + 0.2}
    command = Command(**fields, at=1, gateway_id="zwave", expires_at=2)
    decision = Decision(**fields, at=1, room_id=1, rule="é ☀", version="1", command_id=command.id, trigger="t")
    async with store.write() as connection:
        await add_log(connection, (LogRow(n, n / 7, "temperature", device) for n in range(2 * ROWS_AT_ONCE + 3)))
        await add_events(connection, [ResultIn(CommandResult(at=2, command=command, outcome="done"), 1, None)])
        await add_events(connection, [DecisionIn(decision, 1)])
        await save_state(connection, {"lease/1": b'{"\xc3\xa9": 1}\x00\xff'}, at=5)
        await put_value(connection, "clock", {"now": [1, 2.5, None, True, "ü"]})
        await move_positions(connection, "recorder", {}, {("knx", 1): Stored("", 99)})
    return store


@pytest.fixture
async def new(stores: tuple[Store, Store]) -> Store:
    """An installation without a building."""
    return stores[1]


async def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that a backup holds."""
    found = {}
    async with store.read() as connection:
        for table in metadata.sorted_tables:
            if table is not Position:
                rows = await connection.execute(select(table).order_by(*table.primary_key.columns))
                found[table.name] = [tuple(row) for row in rows]
    return found


async def test_what_is_restored_is_what_was_there(old: Store, new: Store, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    made = await backup(old, tmp_path / "b.zip", 7, lambda *done: seen.append(done))
    # The parts of an empty installation have written something already.
    async with new.write() as connection:
        await save_state(connection, {"rules/building": b"{}"}, at=1)
        await put_value(connection, "clock", {"now": 0})
    assert await restore(new, tmp_path / "b.zip", quiet) == made
    assert await contents(new) == await contents(old)
    assert await export_plan(new) == await export_plan(old)
    rows = 2 * ROWS_AT_ONCE + 3
    assert [done for done in seen if done[0] == "Log"] == [
        ("Log", ROWS_AT_ONCE, rows),
        ("Log", 2 * ROWS_AT_ONCE, rows),
        ("Log", rows, rows),
    ]
    async with new.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(Position)) == 0


async def test_the_same_building_makes_the_same_backup(old: Store, new: Store, tmp_path: Path) -> None:
    await backup(old, tmp_path / "b.zip", 7, quiet)
    await restore(new, tmp_path / "b.zip", quiet)
    await backup(new, tmp_path / "again.zip", 7, quiet)
    with zipfile.ZipFile(tmp_path / "b.zip") as one, zipfile.ZipFile(tmp_path / "again.zip") as other:
        assert one.namelist() == other.namelist()
        assert {name: one.read(name) for name in one.namelist()} == {name: other.read(name) for name in one.namelist()}


async def test_a_backup_shows_one_moment_while_others_write(old: Store, new: Store, tmp_path: Path) -> None:
    written = 0

    async def keep_writing() -> None:
        nonlocal written
        while True:
            async with old.write() as connection:
                await connection.execute(insert(Change), {"at": 1, "what": "x"})
                await connection.execute(update(Log).where(Log.c.timestamp == 1).values(value=Log.c.value + 1))
            written += 1

    async with old.read() as connection:
        first = await connection.scalar(select(Log.c.value).where(Log.c.timestamp == 1)) or 0
        changes = await connection.scalar(select(func.count()).select_from(Change)) or 0
    writing = asyncio.create_task(keep_writing())
    async with asyncio.timeout(20):
        while not written:
            await asyncio.sleep(0)
    before = written
    await backup(old, tmp_path / "b.zip", 7, quiet)
    assert written > before
    writing.cancel()
    await asyncio.wait([writing])
    await restore(new, tmp_path / "b.zip", quiet)
    async with new.read() as connection:
        added = await connection.scalar(select(Log.c.value).where(Log.c.timestamp == 1)) or 0
        assert (
            round(added - first) == (await connection.scalar(select(func.count()).select_from(Change)) or 0) - changes
        )


async def test_only_its_owner_may_read_it_and_nothing_half_is_left(old: Store, tmp_path: Path) -> None:
    file = tmp_path / "b.zip"
    await backup(old, file, 7, quiet)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, unlimited[1]))
    try:
        with pytest.raises(InputError, match=r"b\.zip: File too large"):
            await backup(old, file, 8, quiet)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert file.read_bytes() == before
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.stem == "b") == [".zip"]


# --- what is refused


async def test_a_database_in_use_is_left_as_it_is(old: Store, new: Store, tmp_path: Path) -> None:
    await backup(old, tmp_path / "b.zip", 7, quiet)
    before = await contents(old)
    with pytest.raises(InputError, match="not empty"):
        await restore(old, tmp_path / "b.zip", quiet)
    assert await contents(old) == before


def changed(file: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A copy of the backup whose inner files were changed."""
    with zipfile.ZipFile(file) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file


def newer(files: dict[str, bytes]) -> None:
    manifest = json.loads(files[MANIFEST])
    files[MANIFEST] = json.dumps({**manifest, "schema": "9999"}).encode()


def other_value(files: dict[str, bytes]) -> None:
    files["Log.jsonl"] = re.sub(rb"0\.142857\d*", b"0.5", files["Log.jsonl"], count=1)


def line_less(files: dict[str, bytes]) -> None:
    files["Log.jsonl"] = files["Log.jsonl"].split(b"\n", 1)[1]


def no_devices(files: dict[str, bytes]) -> None:
    manifest = json.loads(files[MANIFEST])
    manifest["tables"] = [table for table in manifest["tables"] if table["table"] != "Device"]
    files[MANIFEST] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (newer, r"newer version of Insula \(schema 9999, this one has \d+\)"),
        (other_value, "Log.jsonl is not what was written"),
        (line_less, "Log.jsonl is not what was written"),
        (no_devices, "do not fit together"),
        (lambda files: files.pop(MANIFEST), "no backup of Insula"),
        (lambda files: files.pop("Log.jsonl"), "Log.jsonl"),
        (lambda files: files.update({MANIFEST: b"[]"}), "no backup of Insula"),
        (lambda files: files.update({"Room.jsonl": b"[[[\n"}), "no backup of Insula, or a damaged one"),
    ],
)
async def test_what_is_no_whole_backup_changes_nothing(
    old: Store, new: Store, tmp_path: Path, change: Callable[[dict[str, bytes]], object], error: str
) -> None:
    await backup(old, tmp_path / "b.zip", 7, quiet)
    before = await contents(new)
    with pytest.raises(InputError, match=error):
        await restore(new, changed(tmp_path / "b.zip", change), quiet)
    assert await contents(new) == before


@pytest.mark.parametrize("part", [0.1, 0.3, 0.6, 0.9])
async def test_a_byte_that_changed_on_the_disk_is_found(old: Store, new: Store, tmp_path: Path, part: float) -> None:
    file = tmp_path / "b.zip"
    await backup(old, file, 7, quiet)
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        log = archive.getinfo("Log.jsonl")
    data[log.header_offset + 100 + int(part * log.compress_size)] ^= 0x55
    file.write_bytes(data)
    before = await contents(new)
    with pytest.raises(InputError, match=r"b\.zip"):
        await restore(new, file, quiet)
    assert await contents(new) == before


async def test_half_a_file_and_no_file_are_refused(old: Store, new: Store, tmp_path: Path) -> None:
    file = tmp_path / "b.zip"
    await backup(old, file, 7, quiet)
    file.write_bytes(file.read_bytes()[:-5000])
    for name, error in (("b.zip", "no backup of Insula"), ("absent.zip", "absent.zip: No such file")):
        with pytest.raises(InputError, match=error):
            await restore(new, tmp_path / name, quiet)


async def test_ids_of_rooms_and_devices_stay(old: Store, new: Store, tmp_path: Path) -> None:
    async with old.write() as connection:
        # As after years of changes: numbers with holes.
        await connection.execute(delete(Room).where(Room.c.id == 3))
    await backup(old, tmp_path / "b.zip", 7, quiet)
    await restore(new, tmp_path / "b.zip", quiet)
    assert await contents(new) == await contents(old)


# --- as commands


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "house.toml").write_text(demo_building())

    def insula(*words: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        return end.value.code, capsys.readouterr().out

    insula("building", "import", "house.toml", "--data", "one")
    status, said = insula("backup", "house.zip", "--data", "one")
    assert (status, said.startswith("house.zip: "), "MB" in said) == (0, True, True)
    assert "restored" in insula("restore", "house.zip", "--data", "two")[1]
    assert insula("building", "export", "--data", "two")[1] == insula("building", "export", "--data", "one")[1]
    status, _ = insula("restore", "house.zip", "--data", "two")
    assert "insula: the database is not empty" in str(status)


async def test_small_values_are_restored(old: Store, new: Store, tmp_path: Path) -> None:
    await backup(old, tmp_path / "b.zip", 7, quiet)
    await restore(new, tmp_path / "b.zip", quiet)
    async with new.read() as connection:
        assert await get_value(connection, "clock") == {"now": [1, 2.5, None, True, "ü"]}
