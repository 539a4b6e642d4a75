"""Repair by gradients: of certified bounds and of fidelity over few neurons, or least squares in all weights.

method.py         the method: choices tried briefly, the best of them descended until proved
choices.py        which neurons are tuned, and in which order
descent.py        the descent for one choice: its loss, its steps, what it learns from the evidence
guides.py         the points that guide all descents: references, and points that are or may become unsafe
tuned.py          the weights that are tuned, as torch sees them
certified.py      certified lower bounds over boxes, differentiable with respect to weights
proxy.py          proxy boxes on the last hidden layer, another aim on open boxes
small.py          small networks, all of whose weights are tuned: where searches start, and when they end
whole.py          ... one search
stays.py          ... what is to stay, as residuals
least_squares.py  ... derivatives, and the damped Gauss-Newton step
"""
