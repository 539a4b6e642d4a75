"""VNN-LIB 2.0 texts as exact questions about several networks.

tensors.py        indexed variables as columns of inputs and outputs
declarations.py   what the networks of a text declare, and whether that fits together
expressions.py    words -> elements and numbers, of one element type in each comparison
script.py         commands: version line, networks, asserts
ties.py           equalities between inputs, solved
reader.py         files and texts -> Query
"""
