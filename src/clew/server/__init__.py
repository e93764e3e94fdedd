"""The HTTP door of a team: projects of one ledger, for callers who prove who they are."""
