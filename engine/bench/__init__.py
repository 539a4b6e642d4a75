"""Many instances in one run, which may be interrupted and resumed.

instances.py   which: VNN-COMP's lists, the benchmark, all pairs; inputs.py  what their files hold
manifest.py    what a run is about, and in what another one differs; machine.py  where it is made
row.py         a line of the results; durable.py  tables and files that survive whatever ends the program
folder.py      where results go, row by row; points.py  counterexamples, read back
workers.py     processes that may die; cluster.py  the same on a Dask cluster
chunk.py       what goes to them and what comes back; decide.py  checks.py  what they do
runner.py      hands out instances and keeps each answer as soon as it is there
evidence.py    whether what an earlier session left bears out its verdicts; repair_evidence.py  its repairs
repairs.py     the networks with violated properties, and what repairing each of them came to; repair_one.py  in a worker
report.py      tables, and the comparison with expected verdicts
"""
