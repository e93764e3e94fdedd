"""Care for a project: its trash, the collection of what nothing names, backups and restoring."""
