"""Which packets a link loses: independent losses, and rows of them."""

from __future__ import annotations

import random


class LossModel:
    """Gilbert-Elliott as netem's `gemodel`: a good state that loses nothing, a bad one that loses
    everything, one step a packet. With `burst` 1 the losses are independent."""

    def __init__(self, loss: float, burst: float, rng: random.Random) -> None:
        self._loss = loss
        self._rng = rng
        self._independent = burst == 1
        self._to_bad, self._to_good = gilbert(loss, burst)
        self._bad = False

    def take_lost(self) -> bool:
        """Whether the next packet is lost."""
        if not self._loss:
            return False
        if self._independent:
            return self._rng.random() < self._loss
        self._bad = self._rng.random() >= self._to_good if self._bad else self._enters_bad()
        return self._bad

    def _enters_bad(self) -> bool:
        return self._rng.random() < self._to_bad


def gilbert(loss: float, burst: float) -> tuple[float, float]:
    """The chances to turn bad and to turn good: rows are `burst` long in the mean, and the share
    of time in the bad state is `loss`."""
    to_good = 1 / burst
    return (1.0 if loss == 1 else min(1.0, loss * to_good / (1 - loss))), to_good
