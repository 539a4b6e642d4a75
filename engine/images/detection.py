"""How well a guard tells images with a trigger from clean ones: rates, and what another threshold would give."""

from dataclasses import dataclass

import numpy as np

from engine.errors import InputError
from engine.images.guard import Doubles, Examined


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of images. false_alarms: of the clean ones, flagged; detection: of those with the trigger, flagged;
    missed: of those with the trigger, passed with the target's class; each None where there are no such images, or
    no target."""

    clean: int
    triggered: int
    false_alarms: float | None
    detection: float | None
    missed: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The receiver operating characteristic: flagging scores above thresholds[i] gives the i-th false alarms and
    detection. Thresholds fall. area: under the curve; 1 is a guard without error, 1/2 one that guesses."""

    thresholds: Doubles
    false_alarms: Doubles
    detection: Doubles
    area: float

    def at(self, false_alarms: float) -> tuple[float, float]:
        """(threshold, detection) of the most detection with at most this share of false alarms."""
        last = int(np.flatnonzero(self.false_alarms <= false_alarms)[-1])
        return float(self.thresholds[last]), float(self.detection[last])


def rates_of(clean: Examined | None, triggered: Examined | None, *, target: int | None = None) -> Rates:
    """The rates on images that are known to be clean, and on others that are known to have a trigger."""
    missed = None
    if triggered is not None and target is not None:
        missed = _share(~triggered.flagged & (triggered.repaired == target))
    return Rates(
        0 if clean is None else len(clean.score),
        0 if triggered is None else len(triggered.score),
        None if clean is None else _share(clean.flagged),
        None if triggered is None else _share(triggered.flagged),
        missed,
    )


def curve_of(clean: Doubles, triggered: Doubles) -> Curve:
    """The curve of the scores of clean images and of images with a trigger; InputError without scikit-learn."""
    try:
        from sklearn.metrics import auc, roc_curve
    except ModuleNotFoundError:
        raise InputError(
            "a threshold's curve needs scikit-learn", advice="pip install 'acasxu-engine[images]'"
        ) from None
    if not (len(clean) and len(triggered)):
        raise InputError("a threshold's curve needs clean images and some with a trigger", advice="give both")
    truth = np.repeat([0, 1], [len(clean), len(triggered)])
    false_alarms, detection, least = roc_curve(truth, np.concatenate([clean, triggered]))
    thresholds = np.nextafter(least.clip(max=2), -1)  # the library flags at a threshold, the guard above it
    return Curve(thresholds.clip(max=1), false_alarms, detection, float(auc(false_alarms, detection)))


def threshold_for(clean: Doubles, false_alarms: float) -> float:
    """The least threshold above which at most this share of the scores of clean images lies.

    It needs no trigger. On other images than these, about as many lie above only where the networks have not learned
    from these.
    """
    if not len(clean) or not 0 <= false_alarms < 1:
        raise InputError(
            f"{len(clean)} clean images cannot give a threshold for a share of {false_alarms}",
            where="guard",
            advice="give clean images, and a share from 0 to below 1",
        )
    return float(np.sort(clean)[::-1][int(false_alarms * len(clean))])


def _share(flags: np.ndarray) -> float | None:
    return float(flags.mean()) if len(flags) else None
