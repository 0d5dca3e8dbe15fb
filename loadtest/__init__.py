"""The crowd: light clients and publishers that speak the public protocols only."""
