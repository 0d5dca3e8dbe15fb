"""The servers that a crowd can be sent to."""
