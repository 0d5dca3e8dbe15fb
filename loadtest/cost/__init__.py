"""What a run costs: CPU and memory of the server's processes, and of the tester itself."""
