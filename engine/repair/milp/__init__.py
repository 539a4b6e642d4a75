"""Repair by linear and integer programs."""
