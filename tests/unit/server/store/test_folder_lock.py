from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from server.errors import StoreInUse
from server.store.folder_lock import Holder, acquire_lock, is_running, started_at

NONE = Path("/no/valkey.conf")


async def test_a_second_one_is_told_who_has_it(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    lock = await acquire_lock(folder, config_path=NONE, wait_s=0)
    with pytest.raises(StoreInUse) as caught:
        await acquire_lock(folder, config_path=NONE, wait_s=0)
    assert caught.value.pid == os.getpid()
    for word in (str(tmp_path), f"process {os.getpid()}", "--data-dir"):
        assert word in str(caught.value)
    lock.release()
    lock.release()
    (await acquire_lock(folder, config_path=NONE, wait_s=0)).release()


async def test_a_lock_file_left_behind_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 1, "started": "1", "store_pid": 1}')
    (await acquire_lock(tmp_path, config_path=NONE, wait_s=0)).release()


@pytest.mark.parametrize("content", ["", "rubbish", "[1]", '{"pid": "x"}'])
async def test_a_holder_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    lock = await acquire_lock(tmp_path, config_path=NONE, wait_s=0)
    (tmp_path / "lock").write_text(content)
    with pytest.raises(StoreInUse, match="another process") as caught:
        await acquire_lock(tmp_path, config_path=NONE, wait_s=0)
    assert caught.value.pid is None
    lock.release()


async def test_only_a_store_of_this_folder_is_ended(tmp_path: Path) -> None:
    """The recorded id may belong to somebody else by now: that one is left alone."""
    lock = await acquire_lock(tmp_path, config_path=NONE, wait_s=0)
    stranger = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import signal; signal.pause()"
    )
    holder = f'{{"pid": {2**22 - 1}, "started": "0", "store_pid": {stranger.pid}}}'
    (tmp_path / "lock").write_text(holder)
    with pytest.raises(StoreInUse):
        await acquire_lock(tmp_path, config_path=NONE, wait_s=0.1)
    assert stranger.returncode is None
    stranger.kill()
    assert await stranger.wait() == -signal.SIGKILL
    lock.release()


def test_a_later_process_with_the_same_id_is_another() -> None:
    here = Holder(os.getpid(), started_at(os.getpid()))
    assert is_running(here.pid, here.started)
    assert not is_running(here.pid, "12345")
    assert not is_running(2**22 - 1, "12345")
