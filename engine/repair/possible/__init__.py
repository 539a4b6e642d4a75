"""What no repair can give, found before one is tried.

conflict.py   properties that contradict each other
theorem.py    a theorem for every input where an output has to be raised and lowered
"""
