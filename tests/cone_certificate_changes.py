"""Changes of valid certificates of version 4 and of kind "images" that make them wrong, or no certificates."""

from collections.abc import Callable
from dataclasses import dataclass

from make_certificates import Draft, Exclusion, Node

PIXELS = 36
HIDDEN = 72 + 36 + 18 + 5  # of `pooled`: after the convolution, in both rounds of the maximum, and the dense layer


class PictureDraft(Draft):
    """Of a certificate about pictures of six times six pixels."""

    @property
    def inputs(self) -> int:
        return PIXELS


@dataclass(frozen=True)
class Change:
    """make: of a draft; network, about: instead of the base's files; is_signed: for the files it is checked with."""

    name: str
    base: str
    what: str
    make: Callable[[Draft], object] = lambda draft: None
    network: str = ""
    about: str = ""
    is_signed: bool = True


def key(*places, value) -> Callable[[Draft], None]:
    """Sets what is at the end of these keys and numbers of the manifest."""

    def make(draft: Draft) -> None:
        part = draft.manifest
        for place in places[:-1]:
            part = part[place]
        part[places[-1]] = value

    return make


def gone(*places) -> Callable[[Draft], None]:
    def make(draft: Draft) -> None:
        part = draft.manifest
        for place in places[:-1]:
            part = part[place]
        del part[places[-1]]

    return make


def above(number: int, cut: float = 0.0) -> Callable[[Draft], None]:
    """The first root becomes both children of a new one."""

    def make(draft: Draft) -> None:
        root = draft.roots[0]
        draft.roots[0] = Node(number, cut, [], [root, root])

    return make


def exclusions(draft: Draft) -> list[Exclusion]:
    return [exclusion for _, exclusion in draft.excluded()]


def slope_of(neuron: int) -> Callable[[Draft], None]:
    def make(draft: Draft) -> None:
        exclusions(draft)[0].slopes = [(neuron, 512)]

    return make


def multiplier_of_none(draft: Draft) -> None:
    exclusions(draft)[0].multipliers = [(0, 0.5)]


def as_version_4(draft: Draft) -> None:
    draft.manifest["version"] = 4
    del draft.manifest["cones"]


def dropped(draft: Draft) -> None:
    node, _ = draft.excluded()[0]
    node.exclusions.pop(0)


def positions(*pairs) -> Callable[[Draft], None]:
    return key("patch", "positions", value=[list(pair) for pair in pairs])


def moved(draft: Draft, value: str) -> None:
    for side in ("lower", "upper"):
        draft.cases[0][side][0] = value


def fix(draft: Draft) -> None:
    """All inputs at the lower end."""
    draft.cases[0]["upper"] = draft.cases[0]["lower"]
    draft.roots = [Node(exclusions=[Exclusion(p, [(0, 1024)]) for p in range(len(draft.cases[0]["unsafe"]))])]


def twice(draft: Draft) -> None:
    draft.manifest["patch"]["positions"][1] = draft.manifest["patch"]["positions"][0]


def uncased(draft: Draft) -> None:
    draft.manifest["cases"], draft.roots = [], []


# tampered

CHANGES = [
    Change("fixed_value", "patch", "a fixed input has another value", key("cases", 0, "lower", 0, value="-1")),
    Change("fixed_moved", "patch", "a fixed input is fixed elsewhere", lambda draft: moved(draft, "1/3")),
    Change("cut_of_fixed", "patch", "a cut of a fixed input", above(0, 0.5)),
    Change("cut_outside", "patch", "a cut at the end of a free input", above(14, 1.0)),
    Change("split_not_reached", "patch", "a split by a neuron that is not reached", above(PIXELS)),
    Change("split_not_hidden", "patch", "a split by a neuron that does not exist", above(PIXELS + HIDDEN)),
    Change("slope_not_reached", "patch", "a slope of a neuron that is not reached", slope_of(0)),
    Change("slope_not_hidden", "patch", "a slope of a neuron that does not exist", slope_of(HIDDEN)),
    Change("multiplier_of_none", "patch", "a multiplier of a neuron that is not reached", multiplier_of_none),
    Change("exclusion_dropped", "patch", "an unsafe set that is not excluded", dropped),
    Change("other_property", "patch", "a proof of another question", about="quarters.vnnlib"),
    Change("other_network", "patch", "a proof about another network", network="averaged"),
    Change("network_given", "patch", "the network's hash", network="averaged", is_signed=False),
    Change("all_fixed", "quarters", "a case without a free input", lambda draft: fix(draft), about="all_fixed.vnnlib"),
    Change("contents_wider", "not_class", "contents that are not shown", key("contents", "high", value="40")),
    Change("around_wider", "label", "more of the images' surroundings", key("contents", "around", value="9/10")),
    Change("around_none", "label", "any contents", key("contents", "around", value=None)),
    Change(
        "around_empty",
        "label",
        "contents below a pixel's",
        key("contents", value={"low": "3", "high": "4", "around": "1/10"}),
    ),
    Change("position_outside", "label", "a patch beyond the last row", key("patch", "positions", 0, value=[5, 0])),
    Change("patch_higher", "label", "a patch beyond the last row", key("patch", "height", value=3)),
    Change("image_not_there", "not_class", "an image that the file has not", key("images", -1, value=6)),
    Change("class_not_there", "not_class", "a class that the network has not", key("claim", "not", value=3)),
    Change("another_class", "not_class", "a class that is given", key("claim", "not", value=0)),
    Change("label_of_all", "not_class", "with any contents the label is not given", key("claim", value="label")),
    Change("scaling_other", "bytes", "other inputs", key("input", "scaling", value="0..1")),
    Change("images_network", "label", "images of another network", network="averaged"),
    Change("images_other", "label", "images of another file", about="other-images-idx3-ubyte"),
    Change("data_given", "label", "the data's hashes", about="other-images-idx3-ubyte", is_signed=False),
    Change("case_less", "label", "a root without a case", lambda draft: draft.manifest["cases"].pop()),
    Change("root_less", "label", "a case without a root", lambda draft: draft.roots.pop()),
    Change("image_dropped", "label", "a leaf of an image that is not excluded", dropped),
    Change("curved_version_4", "curved", "Sigmoids in version 4", lambda draft: as_version_4(draft)),
    Change("curved_slope", "curved", "a slope of a Sigmoid", slope_of(14)),
    Change("curved_split", "curved", "a split by a Sigmoid that is not reached", above(PIXELS)),
    Change("curved_class", "curved_images", "a class that is given", key("claim", "not", value=0)),
    Change("curved_dropped", "curved_images", "a leaf of an image that is not excluded", dropped),
    Change("branched_split", "branched", "a split by a neuron without ReLU", above(PIXELS + 72 + 14)),
    Change("branched_slope", "branched", "a slope of a neuron without ReLU", slope_of(72 + 14)),
    Change("branched_class", "branched_images", "a class that is given", key("claim", "not", value=0)),
    Change("images_split", "label", "a split by a neuron that is not reached", above(PIXELS + 71)),
]

# malformed

BROKEN = [
    Change("float32", "patch", "float32 semantics", key("semantics", value="float32")),
    Change("version_5", "patch", "a version that does not exist", key("version", value=5)),
    Change("cones_number", "curved", "a number for a truth value", key("cones", value=1)),
    Change("patch_of_proof", "patch", "a key of images", key("patch", value={})),
    Change("version_of_images", "label", "images in version 1", key("version", value=1)),
    Change("images_float32", "label", "float32 semantics", key("semantics", value="float32")),
    Change("property_of_images", "label", "a key of proofs", key("property", value={"name": "", "sha256": "0" * 64})),
    Change("data_missing", "label", "a key is missing", gone("patch", "height")),
    Change("claim_word", "label", "a claim that does not exist", key("claim", value="labels")),
    Change("claim_empty", "label", "a claim without a class", key("claim", value={})),
    Change("claim_negative", "not_class", "a class below 0", key("claim", "not", value=-1)),
    Change("claim_float", "not_class", "a class with a fraction", key("claim", "not", value=1.0)),
    Change("claim_large", "not_class", "a class of 2^31", key("claim", "not", value=2**31)),
    Change("claim_true", "not_class", "a class that is a truth value", key("claim", "not", value=True)),
    Change("layout_other", "label", "a layout that does not exist", key("input", "layout", value="CHW")),
    Change("scaling_unknown", "label", "a scaling that does not exist", key("input", "scaling", value="0..2")),
    Change("height_0", "label", "a patch of no rows", key("patch", "height", value=0)),
    Change("positions_none", "label", "no position", positions()),
    Change("position_twice", "label", "a position twice", lambda draft: twice(draft)),
    Change("position_of_three", "label", "a position of three numbers", key("patch", "positions", 0, value=[0, 0, 0])),
    Change("low_is_high", "label", "contents of one value", key("contents", "low", value="1")),
    Change("around_0", "label", "no surroundings", key("contents", "around", value="0")),
    Change("around_negative", "label", "negative surroundings", key("contents", "around", value="-1/10")),
    Change("around_number", "label", "a number that is no string", key("contents", "around", value=0.1)),
    Change("around_missing", "label", "a key is missing", gone("contents", "around")),
    Change("images_none", "label", "no image", key("images", value=[])),
    Change("images_descending", "label", "images that do not ascend", lambda draft: draft.manifest["images"].reverse()),
    Change("image_negative", "label", "an image below 0", key("images", 0, value=-1)),
    Change("cases_none", "label", "no case", lambda draft: uncased(draft)),
    Change("cases_descending", "label", "cases that do not ascend", lambda draft: draft.manifest["cases"].reverse()),
    Change("case_of_no_image", "label", "a case of no image", key("cases", -1, value=[10**6, 0])),
    Change("case_of_no_position", "label", "a case of no position", key("cases", -1, value=[4, 5])),
    Change("data_short", "label", "a data file without its last byte", about="short-images-idx3-ubyte"),
    Change("data_longer", "label", "a data file with one byte more", about="longer-images-idx3-ubyte"),
    Change("labels_fewer", "label", "fewer labels than images", about="fewer-images-idx3-ubyte"),
    Change("csv_ragged", "csv", "lines of different lengths", about="ragged.csv"),
    Change("csv_spaces", "csv", "spaces in lines", about="spaces.csv"),
    Change("csv_large", "csv", "a pixel of 256", about="large.csv"),
]
