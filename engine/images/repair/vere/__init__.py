"""VERE (Ma et al., "VeRe: Verification Guided Synthesis for Repairing Deep Neural Networks", ICSE 2024).

significance.py  how far each neuron alone can take images away from their violation, bounded by lines
localize.py      the order of a layer's neurons
targets.py       the sub-intervals into which faults are to move them
optimize.py      their incoming weights, tuned to that
rounds.py        a round of all this on a layer
repair.py        rounds and layers, chosen by validation
"""

from engine.images.repair.vere.repair import repair

__all__ = ["repair"]
