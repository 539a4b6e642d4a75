"""Many instances in one run.

    instances.py   which: VNN-COMP's lists, the benchmark, all pairs
    folder.py      where results go, row by row
    runner.py      loads each file once, decides all, keeps each verdict as soon as it is known
    report.py      tables, and the comparison with expected verdicts
"""
