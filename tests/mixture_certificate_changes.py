"""Changes of valid certificates of version 6, contents in a few numbers, that make them wrong, or no certificates."""

from cone_certificate_changes import (
    Change,
    above,
    dropped,
    exclusions,
    gone,
    key,
    multiplier_of_none,
    slope_of,
    uncased,
)
from make_certificates import Draft, Node

NUMBERS = "blend", "brightness", "contrast"


class MixtureDraft(Draft):
    """The inputs of its tree are those numbers that are there."""

    @property
    def inputs(self) -> int:
        return sum(self.manifest["contents"][name] is not None for name in NUMBERS)


def weights(*pairs):
    """The first exclusion has these rows and weights."""

    def make(draft: Draft) -> None:
        exclusions(draft)[0].rows = list(pairs)

    return make


def split(draft: Draft) -> Node:
    return next(node for node in draft.nodes() if node.children)


def unsplit(draft: Draft) -> None:
    """What is excluded on a half is to hold on the whole box."""
    node = split(draft)
    node.exclusions += node.children[0].exclusions
    node.split, node.children = -1, []


def half(draft: Draft) -> None:
    split(draft).children[1] = Node()


def black(draft: Draft) -> None:
    pattern = draft.manifest["contents"]["blend"]["pattern"]
    draft.manifest["contents"]["blend"]["pattern"] = ["0"] * len(pattern)


def one_pixel(draft: Draft, value: str) -> None:
    draft.manifest["contents"]["blend"]["pattern"][0] = value


def shorter(draft: Draft) -> None:
    draft.manifest["contents"]["blend"]["pattern"].pop()


# tampered

MIXTURE_CHANGES = [
    Change("blend_wider", "blend", "more of the pattern", key("contents", "blend", "most", value="3")),
    Change("blend_pattern", "blend", "another pattern", lambda draft: black(draft)),
    Change("blend_shorter", "blend", "a pattern of fewer numbers than pixels", lambda draft: shorter(draft)),
    Change("blend_huge", "blend", "a pattern of 2^101", lambda draft: one_pixel(draft, str(2**101))),
    Change("blend_dropped", "blend", "a leaf of an image that is not excluded", dropped),
    Change("blend_half", "blend", "half of a split box without exclusions", half),
    Change("blend_unsplit", "blend", "a bound that only holds on halves", unsplit),
    Change("blend_cut_outside", "blend", "a cut at the end of the share", above(0, 0.0)),
    Change("blend_neuron", "blend", "a split by a neuron", above(1)),
    Change("blend_slope", "blend", "a slope", slope_of(0)),
    Change("blend_multiplier", "blend", "a multiplier", multiplier_of_none),
    Change("blend_weightless", "blend", "an exclusion without a row", weights()),
    Change("blend_row", "blend", "a row that is not there", weights((9, 1024))),
    Change("blend_network", "blend", "images of another network", network="averaged"),
    Change("blend_images", "blend", "images of another file", about="other-images-idx3-ubyte"),
    Change("blend_given", "blend", "the network's hash", network="averaged", is_signed=False),
    Change("blend_class", "blend", "a class that is given", key("claim", "not", value=1)),
    Change("blend_scaling", "blend", "other inputs", key("input", "scaling", value="-1..1")),
    Change("dimmed_wider", "dimmed", "more contrast", key("contents", "contrast", value="9")),
    Change("dimmed_brighter", "dimmed", "brightness that is not shown", key("contents", "brightness", value="500")),
    Change("lit_wider", "lit", "more brightness", key("contents", "brightness", value="3")),
    Change("lit_case_less", "lit", "a root without a case", lambda draft: draft.manifest["cases"].pop()),
    Change("lit_root_less", "lit", "a case without a root", lambda draft: draft.roots.pop()),
    Change("lit_image", "lit", "an image that the file has not", key("images", -1, value=6)),
    Change("lit_curved", "lit", "a network with Sigmoids", network="curved"),
    Change("mixed_class", "mixed", "the class of a label", key("claim", value={"not": 0})),
    Change("mixed_contrast", "mixed", "more contrast", key("contents", "contrast", value="4")),
]

# malformed

MIXTURE_BROKEN = [
    Change("mixture_version_4", "lit", "contents in a few numbers in version 4", key("version", value=4)),
    Change("mixture_float32", "lit", "float32 semantics", key("semantics", value="float32")),
    Change("mixture_patch", "lit", "a patch", key("patch", value={"height": 1, "width": 1, "positions": [[0, 0]]})),
    Change("mixture_of_patch", "label", "a patch in version 6", key("version", value=6)),
    Change("mixture_hue", "lit", "contents that do not exist", key("contents", "hue", value=None)),
    Change("mixture_missing", "lit", "a key is missing", gone("contents", "contrast")),
    Change("mixture_most_0", "blend", "nothing of the pattern", key("contents", "blend", "most", value="0")),
    Change("mixture_most_less", "blend", "less than nothing", key("contents", "blend", "most", value="-1/5")),
    Change("mixture_pattern", "blend", "a number for a rational", lambda draft: one_pixel(draft, 1)),
    Change("mixture_dark", "lit", "negative brightness", key("contents", "brightness", value="-1/20")),
    Change("mixture_power", "lit", "a number with an exponent", key("contents", "brightness", value="1e-2")),
    Change("mixture_pairs", "lit", "cases of positions", key("cases", value=[[0, 0]])),
    Change("mixture_no_case", "lit", "no case", lambda draft: uncased(draft)),
    Change("mixture_case_high", "lit", "a case of no image", key("cases", -1, value=10**6)),
    Change("mixture_cut_more", "lit", "a cut more than splits", lambda draft: draft.raw.update(cut=[0.0])),
]
