"""Repair of few weights by satisfiability modulo theories.

method.py    the method: choices of edges and margins in order
points.py    what the network must do at sampled points, as constraints linear in the changes
search.py    few edges and their changes, found by z3 and refined by counterexamples
conflict.py  the edges that would resolve a conflict between constraints
"""
