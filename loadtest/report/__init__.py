"""What was measured: the model, its JSON, the table in a terminal, the page for people."""
