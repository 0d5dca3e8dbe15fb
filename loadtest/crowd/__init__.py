"""A crowd at work: people who join, watch, publish, talk and leave as a scenario says."""
