"""NNrepair (Usman et al., CAV 2021): small weight changes of one layer that a solver finds, an expert for each class.

options.py    the options
samples.py    images at a layer, scores of its edges
patterns.py   activation patterns by decision trees: what a hidden layer should do
program.py    the smallest change that meets linear demands: linear program, z3
experts.py    from a class's failing and passing images to demands, and from these to a change
combined.py   experts in one network
"""

from engine.images.repair.nnrepair.method import repair

__all__ = ["repair"]
