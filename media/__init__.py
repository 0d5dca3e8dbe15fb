"""What people see and hear: transports, tracks, forwarding. Knows nothing of rooms."""
