"""Changes that make valid certificates about several networks wrong, for make_query_certificates.py."""

from fractions import Fraction

from make_certificates import Exclusion, Node


def networks_swapped(draft):
    first, second = draft.manifest["networks"]
    first["sha256"], second["sha256"] = second["sha256"], first["sha256"]


def networks_renamed(draft):
    for entry, name in zip(draft.manifest["networks"], "gf", strict=True):
        entry["declared"] = name


def tie_dropped(draft):
    """The second input of g is free, too."""
    draft.manifest["ties"][1][1] = {"inputs": {"2": "1"}, "constant": "0"}
    for part in draft.cases:
        part["lower"].append("-1")
        part["upper"].append("1")
    for node in draft.nodes():
        node.split += node.split >= 2


def paired_otherwise(draft):
    draft.manifest["ties"][1].reverse()


def tie_nearly(draft):
    """As the nearest float64 number, and not as the query has it."""
    draft.manifest["ties"][1][0]["constant"] = str(Fraction(0.1))


def outputs_exchanged(draft):
    """What is claimed of f is shown of g, and the other way round."""
    for part in draft.cases:
        for polytope in part["unsafe"]:
            for row in polytope:
                row["outputs"] = {str(1 - int(i)): c for i, c in row["outputs"].items()}


def case_smaller(draft):
    draft.cases[0]["upper"][0] = str(Fraction(draft.cases[0]["upper"][0]) - Fraction(1, 2**20))


def exclusion_missing(draft):
    next(node for node in draft.nodes() if node.exclusions).exclusions.pop()


def leaf_only(draft):
    """Its splits are gone."""
    found = {one.polytope: Exclusion(one.polytope, one.rows, one.slopes) for _, one in draft.excluded()}
    draft.roots[0] = Node(exclusions=[found[polytope] for polytope in sorted(found)])


def float32_claimed(draft):
    draft.manifest["semantics"] = "float32"


def real_claimed(draft):
    draft.manifest["semantics"] = "real"


def hidden_ignored(draft):
    """The rows about the hidden tensor are about the output behind it."""
    for polytope in draft.cases[0]["unsafe"]:
        for row in polytope:
            row["outputs"] = {"2": "1"} if "1" in row["outputs"] else row["outputs"]


def point_elsewhere(draft):
    draft.manifest["point"][0] = str(Fraction(draft.manifest["point"][0]) / 2)


def outputs_nearly(draft):
    draft.manifest["outputs"][1] = str(Fraction(draft.manifest["outputs"][1]) + Fraction(1, 2**60))


def of_another_pair(draft):
    """Unchanged, but signed."""


#: Of version 2: change, certificate that is changed, the question it is said to be about if another, why, signed.
CHANGES = [
    (networks_swapped, "isomorphic", "", "the hashes of f and g are exchanged", False),
    (networks_renamed, "isomorphic", "", "the names of f and g are exchanged", False),
    (tie_dropped, "isomorphic", "", "an input of g is free that the query ties", True),
    (paired_otherwise, "isomorphic", "", "each input of g is tied to the other one of f", True),
    (outputs_exchanged, "cases", "", "f's output for g's", True),
    (case_smaller, "cases", "", "a case's box is smaller than the query's", True),
    (exclusion_missing, "isomorphic", "", "an exclusion is gone", True),
    (leaf_only, "isomorphic", "", "the splits are gone", True),
    (float32_claimed, "shifted", "", "a rounded block in float32 semantics", True),
    (real_claimed, "float32", "", "a proof in real semantics of a query about float32", True),
    (tie_nearly, "shifted", "", "a tie as its block has it, not as the query has it", True),
    (hidden_ignored, "hidden", "", "rows about a hidden tensor are about the output", True),
    (point_elsewhere, "turned", "", "outputs of another point", True),
    (outputs_nearly, "turned", "", "an output is wrong by 2^-60", True),
    (of_another_pair, "isomorphic", "cases", "the certificate of other networks", True),
]


# --- of version 3 ---------------------------------------------------------------------------------


def pairs_dropped(draft):
    """As it would be in version 2."""
    draft.manifest["version"] = 2
    del draft.manifest["pairs"]


def pairs_empty(draft):
    draft.manifest["pairs"] = []


def pair_absent(draft):
    draft.manifest["pairs"] = [[0, 2]]


def pair_absent_from_a_witness(draft):
    pair_absent(draft)


def pair_of_others(draft):
    """f's block that ends at the hidden tensor, and g's."""
    draft.manifest["pairs"] = [[0, 2]]


def networks_reversed(draft):
    """Their order, with the ties and the numbers of inputs and outputs as they are."""
    draft.manifest["networks"].reverse()
    draft.manifest["ties"].reverse()


def hash_of_the_other(draft):
    f, g = draft.manifest["networks"]
    g["sha256"] = f["sha256"]


def of_another_query(draft):
    """Unchanged, but signed."""


def pairs_missing(draft):
    del draft.manifest["pairs"]


def pair_reversed(draft):
    draft.manifest["pairs"][0].reverse()


def pair_twice(draft):
    draft.manifest["pairs"] *= 2


def pairs_in_version_2(draft):
    draft.manifest["version"] = 2


#: Of version 3, as CHANGES.
CHANGES_3 = [
    (pairs_dropped, "isomorphic_3", "", "version 2, in which its exclusions are not shown", True),
    (pairs_empty, "isomorphic_3", "", "no pair, without which its exclusions are not shown", True),
    (pair_absent, "isomorphic_3", "", "a pair of a block that is not there", True),
    (pair_of_others, "hidden_3", "", "a pair of blocks with other layers", True),
    (networks_swapped, "isomorphic_3", "", "the hashes of f and g are exchanged", False),
    (hash_of_the_other, "isomorphic_3", "", "the hash of g is f's", False),
    (networks_reversed, "isomorphic_3", "", "g before f", True),
    (tie_dropped, "isomorphic_3", "", "an input of g is free that the query ties", True),
    (leaf_only, "isomorphic_3", "", "the splits are gone", True),
    (exclusion_missing, "isomorphic_3", "", "an exclusion is gone", True),
    (float32_claimed, "shifted_3", "", "a rounded block in float32 semantics", True),
    (real_claimed, "float32_3", "", "a proof in real semantics of a query about float32", True),
    (outputs_nearly, "turned_3", "", "an output is wrong by 2^-60", True),
    (pair_absent_from_a_witness, "turned_3", "", "a witness with a pair of a block that is not there", True),
    (of_another_query, "isomorphic_3", "float32", "the certificate of another query about these networks", True),
]

#: Of version 3, as CHANGES; what is made is no certificate.
BROKEN = [
    (pairs_missing, "isomorphic_3", "", "version 3 without pairs", True),
    (pairs_in_version_2, "isomorphic_3", "", "version 2 with pairs", True),
    (pair_reversed, "isomorphic_3", "", "a pair the other way round", True),
    (pair_twice, "isomorphic_3", "", "a pair twice", True),
]
