"""Sigmoid and Tanh, from integers alone: no digit is a mathematical library's (section 14).

curve.py        the two functions
exponential.py  e^-x, enclosed by integers
tables.py       high, low, steep and touch
lines.py        lines of neurons from these tables
values.py       values at any point: the multiple of 2^-bits below, or a float64 near to it
"""
