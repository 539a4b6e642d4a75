"""Repair of few weights by an SMT solver."""
