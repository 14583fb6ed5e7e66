"""Natural language in, benchmark numbers out: idea -> patch -> codebase -> job -> outcome."""
