"""Campaigns that never ran: what the figures of analysis/README.md are drawn from."""
