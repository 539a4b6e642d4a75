"""Repairs of image classifiers: several published methods behind one interface.

task.py      what is to be repaired, by which images, and the options
methods.py   the methods by name
changes.py   what a repair changed: weights, neurons, layers
service.py   repair_classifier: the method, figures before and after on held-out images
"""
