"""Real encoded media to publish: made once, packetised, looped."""
