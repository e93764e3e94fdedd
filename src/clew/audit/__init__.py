"""What makes the record of events hold: sealing, verification, checkpoints, export."""
