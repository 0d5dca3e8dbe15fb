"""Why the cost of a server cannot be measured."""

from __future__ import annotations


class CostError(Exception):
    """The message is one line and names the remedy."""
