"""The search for a backdoor in a classifier.

service.py     scan_classifier: all of the below, and the record of it
options.py     how triggers are sought
search.py      the smallest trigger of each class, by gradients
anomaly.py     which class's is far smaller than the others
universal.py   into which class one shared step draws images of the others
first_look.py  what can be seen without a search
overlap.py     how well a found trigger covers the true one
record.py      scan.json, triggers, pictures
"""
