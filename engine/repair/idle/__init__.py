"""Repair with neurons that never fire: outside a thin collar around the property's box nothing changes at all.

method.py     the method: idle neurons looked for, grafted, and trained in rounds
neurons.py    neurons of the first layers that are proved idle on the domain
collar.py     what idle neurons of layer 1 measure, and the collar around the box
graft.py      the network with its idle neurons rewritten, shut outside the collar
trainer.py    the rewritten neurons' weights, trained on points of the box
"""
