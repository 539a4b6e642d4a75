"""How much a repair changes scores: measured at samples, limited, and bounded by proof."""
