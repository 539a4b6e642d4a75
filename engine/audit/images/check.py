"""Is a certificate of kind "images" to be accepted? The verdict on a file (section 13)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from engine.audit.check import OnProgress, check_version, report_of, what_is_missing
from engine.audit.data import FilePath, Network, Tree
from engine.audit.failures import Malformed, Rejected, demand
from engine.audit.files import check_hash
from engine.audit.images.cases import Shown, cases_of, shown
from engine.audit.images.certificate import Claim, Patch, read_claim
from engine.audit.images.mixture_cases import mixture_cases
from engine.audit.images.mixture_walk import MixtureProof
from engine.audit.images.pixels import Images, read_images
from engine.audit.images.walk import PatchProof
from engine.audit.network_reader import read_network
from engine.audit.sample import chosen_nodes, share_of_cases, walk_share
from engine.audit.tree import AnyCase, check_tree
from engine.audit.walk import Tally


@dataclass(frozen=True)
class ImagesResult:
    """A verdict. Fields are as of a Result.

    shown: how many images count and are safe; None where it is not accepted.
    """

    accepted: bool
    reason: str
    arithmetic: str
    nodes: int
    checked: int
    leaves: int
    exclusions: int
    margin: float
    seconds: float
    certificate: Claim | None
    shown: Shown | None
    kind: str = "images"
    semantics: str = "real"

    def __str__(self) -> str:
        """What was shown, or why it is rejected, in one line."""
        if not self.accepted or self.certificate is None or self.shown is None:
            return self.reason
        return self.reason or sentence(self.certificate, self.shown)


@dataclass
class _Findings:
    """The state of one check: what the certificate says, and what was found of it so far."""

    claim: Claim | None = None
    tree: Tree | None = None
    reason: str = ""
    tally: Tally = Tally()
    shown: Shown | None = None

    def result(self, arithmetic: str, seconds: float) -> ImagesResult:
        return ImagesResult(
            accepted=self.shown is not None,
            reason=self.reason,
            arithmetic=arithmetic,
            nodes=len(self.tree.split) if self.tree else 0,
            checked=self.tally.nodes,
            leaves=self.tally.leaves,
            exclusions=self.tally.exclusions,
            margin=self.tally.margin,
            seconds=seconds,
            certificate=self.claim,
            shown=self.shown,
        )


def check_images(
    certificate_path: FilePath,
    network_path: FilePath,
    images_path: FilePath,
    labels_path: "FilePath | None" = None,
    *,
    arithmetic: str = "float64",
    sample: int | None = None,
    seed: int = 0,
    share: tuple[int, int] = (0, 1),
    on_progress: OnProgress | None = None,
) -> ImagesResult:
    """The verdict on a certificate of this network and images: two IDX files, or one of CSV.

    Malformed where a file is not what it should be; MemoryError where there is not enough of it.
    Options are those of engine.audit.check.check.
    """
    start, found = time.perf_counter(), _Findings()
    try:
        found.claim, found.tree = claim, tree = read_claim(certificate_path)
        network, images = read_network(network_path), read_images(images_path, labels_path)
        _check_belongs(claim, network, images)
        cases = _cases(claim, images, network)
        _check_tree(tree, cases, certificate_path)
        wanted = chosen_nodes(tree, sample, seed)
        wanted, share = share_of_cases(tree, cases, wanted, share)
        walk = PatchProof if isinstance(claim.family, Patch) else MixtureProof
        proof = walk(tree, cases, network, arithmetic, wanted)
        found.tally = walk_share(proof, share, report_of(on_progress, int(wanted.sum())))
        found.reason = what_is_missing(found.tally.nodes, len(tree.split))
        found.shown = shown(claim, images)
    except Rejected as error:
        found.reason = str(error)
    return found.result(arithmetic, time.perf_counter() - start)


def _check_belongs(claim: Claim, network: Network, images: Images) -> None:
    """Section 13: Rejected unless the certificate is about this network and these files."""
    check_hash("a network", claim.network_sha256, network.sha256)
    check_hash("images", claim.images_sha256, images.images_sha256)
    check_hash("labels", claim.labels_sha256, images.labels_sha256)
    check_version(claim.version, network)
    pixels, inputs = images.height * images.width, network.n_inputs
    demand(pixels == inputs, f"images have {pixels:,} pixels, the network {inputs:,} inputs")


def _cases(claim: Claim, images: Images, network: Network) -> Sequence[AnyCase]:
    """Sections 13 and 15, "Cases"."""
    make = cases_of if isinstance(claim.family, Patch) else mixture_cases
    return make(claim, images, network.n_outputs)


def _check_tree(tree: Tree, cases: Sequence[AnyCase], path: FilePath) -> None:
    """Section 4, of the arrays alone; what is wrong is said of the file."""
    try:
        check_tree(tree, cases)
    except (Malformed, Rejected) as error:
        raise type(error)(f"{path}: {error}") from None


def sentence(claim: Claim, figures: Shown) -> str:
    """What the certificate shows, in plain words."""
    count, safe, family = figures.counted, figures.safe, claim.family
    what = patch_text(family) if isinstance(family, Patch) else family.text
    if claim.target is None:
        return f"at least {safe:,} of {count:,} images keep their label as class, {what}"
    given = f"class {claim.target} is given to at most {count - safe:,} of {count:,} images"
    return f"{given}, {what}"


def patch_text(patch: Patch) -> str:
    """Which contents there are, in words."""
    several = len(patch.positions) > 1
    where = f"any of these {len(patch.positions):,} positions" if several else "this position"
    values = f"from {patch.low} to {patch.high}"
    if patch.around is not None:
        values += f" that differ from the image's own by at most {patch.around}"
    return (
        f"whatever numbers {values} stand in the {patch.height} x {patch.width} pixels at {where}"
    )
