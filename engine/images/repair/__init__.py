"""Repairs of image classifiers: several published methods behind one interface.

task.py      what is to be repaired, by which images, and the options
methods.py   the methods by name
auto.py      all of them, compared on validation images
changes.py   what a repair changed: weights, neurons, layers
record.py    what is told of a repair, as JSON
service.py   repair_classifier: the method, figures before and after on held-out images
"""
