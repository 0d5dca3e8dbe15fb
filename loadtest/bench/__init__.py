"""First measured figures: what a picture, a packet and a message cost (`make bench`)."""
