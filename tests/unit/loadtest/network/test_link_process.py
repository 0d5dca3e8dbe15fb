from __future__ import annotations

from loadtest.network.link_process import transmit_drops

HEADER = """\
Inter-| Receive | Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo ...
"""
PROC_NET_DEV = (
    HEADER
    + "    lo:  115168 1350 0 1 0 0 0 0   115168 1350 0 2 0 0 0 0\n"
    + "lm1av00ffo: 52     7 0 3 0 0 0 0       99   11 0 4 0 0 0 0\n"
)


def test_drops_of_the_sending_side_are_read() -> None:
    assert transmit_drops(PROC_NET_DEV, "lo") == 2
    assert transmit_drops(PROC_NET_DEV, "lm1av00ffo") == 4


def test_a_device_that_is_gone_dropped_nothing() -> None:
    assert transmit_drops(PROC_NET_DEV, "lm1av00ff") == 0
    assert transmit_drops("", "lo") == 0
