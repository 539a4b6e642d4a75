"""VNN-LIB 1.0 files as exact properties: tokens -> terms -> formulas -> cases."""

from engine.vnnlib.reader import load_property, parse_property, property_of

__all__ = ["load_property", "parse_property", "property_of"]
