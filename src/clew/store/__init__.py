"""Where rows and bytes live: `ledger` and `objects`, each with several materials behind one contract."""
