"""Which class's trigger is far smaller than the others': two indices over the norms of all classes.

published   (median - norm) / (1.4826 MAD): Neural Cleanse (Wang et al., IEEE S&P 2019), the small side only
steady      the same with the deviation held between two shares of the median

With ten classes the median absolute deviation is itself a guess. Where the norms happen to lie close together, the
published index calls a class with two thirds of the median's norm an outlier; where they happen to be spread, it
misses one with a third. The shares were chosen on models that are not among those of the committed rates.
"""

import numpy as np

FLAGGED = 2.0  # the index above which a class is called a backdoor's
CONSISTENT = 1.4826  # makes the median absolute deviation that of a normal distribution
SHARES = (0.22, 0.25)  # of the median, between which a deviation is believed

Norms = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def published_anomalies(norms: np.ndarray) -> Norms:
    """How far each norm lies below the median, in median absolute deviations; 0 where it is not below it.

    A norm that is infinite counts as the largest that is not.
    """
    median, below, deviation = _around_median(norms)
    return below / max(deviation, 1e-9 * median, 1e-12)


def steady_anomalies(norms: np.ndarray) -> Norms:
    """The same with a deviation of at least 0.22 and at most 0.25 medians.

    Above 2 are thus all norms below 0.5 medians, and none above 0.56.
    """
    median, below, deviation = _around_median(norms)
    least, most = (share * median for share in SHARES)
    return below / max(min(max(deviation, least), most), 1e-12)


def flagged_classes(anomaly: np.ndarray) -> tuple[int, ...]:
    """The classes with an index above 2, the largest first."""
    order = np.argsort(-anomaly, kind="stable")
    return tuple(int(i) for i in order if anomaly[i] > FLAGGED)


def _around_median(norms: np.ndarray) -> tuple[float, Norms, float]:
    """The median, how far each norm lies below it, and the deviation that a normal distribution would have."""
    capped = np.asarray(norms, np.float64)
    finite = capped[np.isfinite(capped)]
    if not len(finite):
        return 0.0, np.zeros(len(capped)), 0.0
    capped = np.minimum(capped, finite.max())
    median = float(np.median(capped))
    deviation = CONSISTENT * float(np.median(np.abs(capped - median)))
    return median, np.maximum(median - capped, 0), deviation
