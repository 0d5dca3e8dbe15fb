"""What people say: rooms, the stage, messages and their lanes, questions. Knows nothing of HTTP."""
