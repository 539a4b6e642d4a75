"""Linear and integer programs about one row of weights.

program.py   what is asked: constraints at samples, and what is to be small
models.py    a program as solvers take it, HiGHS or gurobi
cuts.py      solved by cutting planes
"""
