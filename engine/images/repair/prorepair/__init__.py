"""Repair by proxy boxes, after ProRepair (Ma et al., CCS 2025): provable repair by preimages in feature space.

split.py     the classifier as extractor and head
bounds.py    bounds of the head's margins on boxes of features
boxes.py     proxy boxes: near an image's features, and certified to give its label
distance.py  how far features are from their boxes, in scores
intervals.py bounds of the extractor on regions of images
regions.py   balls around faulty images: what is proved of them, and their refinement by splitting
descent.py   the extractor's weights: features into their boxes
method.py    rounds of boxes and descent, and the choice among them
options.py   options
"""

from engine.images.repair.prorepair.method import repair

__all__ = ["repair"]
