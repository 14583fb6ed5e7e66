"""Reports: a campaign's ledger -> one tree of facts -> terminal, JSON and page."""
