"""Light room sockets: frames are counted, and decoded only when somebody waits for a reply."""
