"""The policy of collecting garbage, in a process of its own: it holds for a whole process."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, weakref
from media.garbage import settle_garbage

class Thing: pass

kept = Thing()
before = len(gc.get_objects())
settle_garbage()
assert gc.get_freeze_count() > before / 2
assert kept not in gc.get_objects()
one, other = Thing(), Thing()
one.other, other.one = other, one
left = weakref.ref(one)
del one, other
gc.collect()
assert left() is None
left, made = None, 0
while left is None or left() is not None:
    made += 1
    one = Thing()
    one.itself, one.held = one, [[] for _ in range(50)]
    left = left or weakref.ref(one)
print(made)
"""


def test_what_is_there_is_frozen_and_new_circles_are_still_found() -> None:
    made = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    assert 0 < int(made.stdout) < 1_000
