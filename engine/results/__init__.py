"""The results of a batch: a row for each instance, and their summary.

words.py      verdicts, checks and origins: their words, and what they mean to people
row.py        a line of results.csv, written and read
summary.py    what a list of rows comes to: counts, sizes, times; which were hardest
expected.py   rows beside the verdicts that a file expects
tables.py     the above as tables for a terminal; needs rich
"""
