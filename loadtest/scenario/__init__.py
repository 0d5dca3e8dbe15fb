"""What a crowd does and when, as data: scenario files, the shipped ones, a timeline."""
