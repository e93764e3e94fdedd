"""The command line: one module per group of commands, one table of commands, one door for errors."""
