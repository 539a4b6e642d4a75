"""Image classifiers certified: no trigger of a family works on these images, or the one that does.

family.py       where a patch lies, and what may stand in it
questions.py    an image and a position of the patch -> a property of the network
order.py        the positions of each image, the most suspicious first
ledger.py       what was found of each image and position
deciding.py     the search, in chunks of images
triggers.py     counterexamples as triggers, with their files and pictures
record.py       the outcome of all images, its counts and bound, and its JSON
aggregate.py    the certificate of all proofs (docs/certificate-format.md, section 13)
earlier.py      what an earlier run left, as far as it bears itself out
folder.py       the folder in which all of this is kept, and from which a run goes on
service.py      all of it, one after the other

Contents in a few numbers, of the whole image:

mixture.py            a picture blended in, brightness, contrast
mixture_questions.py  an image -> a network of these numbers, and a property of it
mixture_search.py     branch and bound over them
pieces.py             its boxes, and the proof that they make
"""
