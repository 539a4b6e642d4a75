"""The walk through the tree of a certificate about contents in a few numbers (section 15)."""

from collections.abc import Sequence

import numpy as np

from engine.audit.data import Layer, Network, Tree, Truths
from engine.audit.images.mixture_bounds import ARITHMETIC
from engine.audit.images.mixture_cases import MixtureCase
from engine.audit.tree import AnyCase
from engine.audit.walk import Proof


class MixtureProof(Proof):
    """A proof's tree whose nodes are split by inputs alone, and bounded from these on."""

    def __init__(
        self,
        tree: Tree,
        cases: Sequence[AnyCase],
        network: Network,
        arithmetic: str,
        wanted: Truths,
    ) -> None:
        mixed = [case for case in cases if isinstance(case, MixtureCase)]
        bounds = ARITHMETIC[arithmetic](network, mixed)
        inputs, outputs = len(cases[0].lower), network.n_outputs
        # as there are no hidden neurons in this one, none can be split or named
        ends = Layer(np.zeros((outputs, inputs)), np.zeros(outputs), relu=False)
        super().__init__(tree, cases, Network((ends,), network.sha256), bounds, wanted)
