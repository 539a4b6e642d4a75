"""How two networks of one shape differ: measured on points, and proved."""
