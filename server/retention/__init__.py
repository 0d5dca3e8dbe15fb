"""The memory of the rooms: engagement events, their streams, the projector, online profiles.

A room says what happened through `Producer` (producer.py); a projector process (projector.py)
folds it into profiles (fold.py, functions.lua); `Profiles` (profile.py) reads them back.
docs/retention.md tells why nothing is lost and nothing counts twice.
"""
