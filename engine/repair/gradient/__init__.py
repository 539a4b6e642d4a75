"""Repair by gradient descent on certified bounds and on fidelity, over the incoming weights of few neurons.

method.py      the method: choices tried briefly, the best of them descended until proved
choices.py     which neurons are tuned, and in which order
descent.py     the descent for one choice: its loss, its steps, what it learns from the evidence
guides.py      the points that guide all descents: references, and points that are or may become unsafe
tuned.py       the weights that are tuned, as torch sees them
certified.py   certified lower bounds over boxes, differentiable with respect to weights
proxy.py       proxy boxes on the last hidden layer, another aim on open boxes
"""
