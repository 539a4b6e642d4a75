"""Repair with neurons that never fire."""
