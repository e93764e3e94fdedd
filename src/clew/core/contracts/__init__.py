"""The two seams as Protocols: stores (`ledger`, `objects`) and what capabilities offer each other."""
