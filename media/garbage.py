"""How a process that must not pause collects garbage.

CPython's collector stops everything while it looks: once at all objects (a *full* collection) when
enough of them are new. Measured here, with CPU of one core:

* What the imports made is most of it: 90,000 objects in the server, 58 ms; 48,000 in a media
  worker, 27 ms. None of that ever dies, so it is *frozen* once the process has started: no
  collection looks at it again.
* 400 viewers are 21,000 objects, 7 ms. Those who leave are gone without any collection
  (`tests/unit/media/test_departures.py`), so in a media worker full ones find next to nothing.
* A room socket is 90 objects and leaves 27 behind, in circles that aiohttp draws: 3,000 sockets
  take 0.1 to 0.2 s. So full collections must stay, bounded by how much was left, but be rare:
  a pause of the front holds up messages, and media only where no worker is beside it.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 1_000
"""More objects than before (700): 0.3 ms to look at."""
MIDDLE_ROUNDS: Final = 10
"""Young rounds for a middle one, which looks at what these left: 3 ms."""
FULL_ROUNDS: Final = 20
"""Middle rounds for a full one (10), so 200,000 more objects, and a quarter more than the last left
(CPython's own rule). At most as much waits in circles: that of 7,000 departed room sockets."""


def settle_garbage() -> None:
    """Set the policy; once in a process, when it has started and nobody is there yet."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_ROUNDS, FULL_ROUNDS)
