"""Repair: networks changed until a property is proved for them, and what the change costs elsewhere."""
