"""Comparison of two networks of one shape: measured on points, and proved."""
