"""Many instances in one run, which may be interrupted and resumed.

instances.py   which: VNN-COMP's lists (instance_list.py), the benchmark, all pairs; inputs.py  what their files hold
questions.py   what an instance asks: a property of one network, or a question about several
manifest.py    what a run is about, and in what another one differs; machine.py  where it is made
settings.py    how it is to be run; session.py  one session of a run, from the list to the last row
durable.py     tables and files that survive whatever ends the program
folder.py      where results go, row by row; points.py  counterexamples, read back
workers.py     processes that may die; cluster.py  the same on a Dask cluster
chunk.py       what goes to them and what comes back; decide.py  checks.py  what they do; reading.py  files, each once
runner.py      hands out instances and keeps each answer as soon as it is there
evidence.py    goes through the evidence that an earlier session left; repair_evidence.py  that of its repairs
repair_jobs.py the networks with violated properties; repair_folder.py  what became of each
repairs.py     has workers repair them; repair_one.py  repairs one, in a worker; repair_parcel.py  ... elsewhere

Rows, and what all of them come to, are in engine.results.
"""
