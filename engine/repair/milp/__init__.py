"""Repair by linear and integer programs: a new feature of the input, with the smallest weights that mend all samples.

method.py       the method: margins and plans in order, each refined in turn
settings.py     numbers of samples, margins and limits
plan.py         ways to choose a feature and a direction, and their order
feature.py      the features that a network can have, and the networks that have them
limits.py       how much of a feature each sample needs and bears
structural.py   shifts of scores that have a theorem for every input
shifts.py       ... the cheapest, by a linear program
demands.py      ... what samples ask of them
solver.py       plans solved on all samples known so far
prices/         repairs that change a few decisions where no plan keeps all, by programs with prices
program.py      the smallest change of weights under many linear constraints, by cutting planes
refinement.py   one plan, solved, checked and solved again with what was learned
faults.py       what a changed network gets wrong at fresh points
worst.py        a local random search for points where a network or a change is worst
"""
