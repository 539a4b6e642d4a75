"""The options of `acasxu images certify`. Nothing heavy is imported here."""

from argparse import ArgumentParser
from pathlib import Path

from engine.cli.images.options import add_device, add_images, add_network
from engine.cli.options import count, memory_size, seconds

PARTS = ("held-out", "train", "all")


def add_certify(parser: ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument("network", type=Path, metavar="NETWORK.onnx", help="the classifier")
    add_images(parser)
    parser.add_argument("--part", choices=PARTS, default="held-out", help="of the set (default: held-out)")
    parser.add_argument(
        "--images",
        type=count,
        default=1000,
        metavar="N",
        help="N of these images, drawn at random, the same each time (default: 1000)",
    )
    parser.add_argument(
        "--patch",
        metavar="PATCH",
        help="HEIGHTxWIDTH@ROW,COLUMN: a rectangle, with its upper left pixel there\n"
        "HEIGHTxWIDTH@corner: where `square:SIZE@corner` is; HEIGHTxWIDTH@all: at all positions; all: the whole image",
    )
    parser.add_argument(
        "--contents",
        default="any",
        metavar="CONTENTS",
        help="any: the patch may hold anything from black to white (default)\n"
        "box:EPS: it may hold what is within EPS of the image's own pixels, black being 0 and white 1\n"
        "Without --patch, and with commas between several:\n"
        "blend:FILE:MAX: any share up to MAX (default: 0.2) of a picture as large as the images, .png or a trigger's\n"
        ".npz, is blended into the image; blend:MAX: of the random picture of `--trigger blend:MAX`\n"
        "brightness:EPS: EPS at most is added to all pixels, or taken off\n"
        "contrast:EPS: their distance from black changes by at most EPS times itself\n"
        "Values that leave the range of images are not clipped: the family is the affine one",
    )
    parser.add_argument(
        "--target",
        type=int,
        metavar="CLASS",
        help="prove that no image of another class gets this one (default: that each gets its label)",
    )
    add_network(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=30.0,
        metavar="S",
        help="seconds for each image and position, after which it stays open (default: 30)",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--certificates",
        type=Path,
        metavar="DIR",
        help="write there images.proof.zip, which `acasxu check` checks, images.json, and the triggers that work, as\n"
        ".npz and .png; where an earlier run of the same question was broken off, go on from there",
    )
    output.add_argument("--out", type=Path, metavar="DIR", help="the same without proofs")
    parser.add_argument("--force", action="store_true", help="begin anew in a folder that is not empty")
    parser.add_argument("--json", action="store_true", help="print what images.json holds instead")
    add_device(parser)
    parser.add_argument("--threads", type=count, metavar="N", help="of the search (default: as many as torch)")
    parser.add_argument("--memory", type=memory_size, metavar="SIZE", help="for the search (default: 2G)")
    parser.epilog = (
        "Exit codes: 0 all images that count are proved, 1 a trigger works on some image, or one is wrong as it is,\n"
        "2 bad input, 3 none of these, but some image is open, 130 interrupted: what was decided is kept in DIR."
    )
