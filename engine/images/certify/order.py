"""The order in which the positions of an image are asked about: an image refuted at one needs no other."""

import numpy as np

from engine.images.certify.questions import Questions
from engine.images.graph import Graph
from engine.images.imageset import Floats

Order = dict[int, list[int]]  # by image: the positions


def suspicious_first(questions: Questions, images: list[int], *, graph: Graph | None = None) -> Order:
    """The positions of each image, those first where the network errs most when the patch is black or white.

    It costs two executions for each image and position, and no verdict depends on it.
    """
    positions = range(len(questions.patch.positions))
    if len(positions) == 1:
        return {image: [0] for image in images}
    graph = graph or questions.classifier.graph()
    masks = np.stack([questions.patch.mask(position, questions.images.shape) for position in positions])
    return {image: np.argsort(-_margins(questions, image, masks, graph), kind="stable").tolist() for image in images}


def _margins(questions: Questions, image: int, masks: np.ndarray, graph: Graph) -> Floats:
    """How far the network is on the unsafe side at each position, the worse of both colours: [positions]."""
    share = questions.contents.share
    pixels = questions.images.images[image]
    reach = np.float32(1 if share is None else float(share))
    painted = [np.where(masks, np.clip(pixels + step, 0, 1), pixels) for step in (-reach, reach)]
    scores = questions.classifier.scores(np.concatenate(painted).astype(np.float32), graph=graph)
    known = int(questions.images.labels[image]) if questions.target is None else questions.target
    others = np.delete(scores, known, axis=1).max(1)
    ahead = scores[:, known] - others if questions.target is not None else others - scores[:, known]
    worst: Floats = ahead.reshape(2, len(masks)).max(0)
    return worst
