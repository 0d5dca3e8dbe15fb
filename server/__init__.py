"""The running program: HTTP and WebSocket front door, auth, settings, store, retention, pages."""
