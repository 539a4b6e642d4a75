"""Numbers of samples, margins and limits of the method."""

#: By how much targets are to hold at samples, in scores, in the order in which they are tried.
MARGINS = (0.03, 0.01, 0.003)

#: Tried once a proof stayed open: they change scores much, but are proved easily.
WIDE_MARGINS = (0.1, 1.0)

#: Plans count as near the least one up to so many times its size.
HOPEFUL = 2.0

RELAYED_MARGINS = (0.003, 0.0005)

#: Of targets about a larger share of the domain only the first margin is tried: features are local.
MAX_TARGET_SHARE = 0.5

#: Of the most that a score may change, the share that programs use at samples.
CHANGE_SHARE = 0.8

#: Times that the mean change counts more in programs than where candidates are compared, as where scores change at
#: hardly any input, their order is kept; and times that the largest change does. (Of N(2,4), the largest change in the
#: published scores, and the share of samples whose order stays: 23.1 and 99.94% with 400 and 2, 20.6 and 99.91% with
#: 200 and 2, 20.5 and 99.87% with 100 and 2.)
LOCAL = 200.0
PEAK = 3.0

#: Samples that programs are about: of the domain, of each target's boxes, of each other property's boxes.
DOMAIN = 200_000
TARGET = 100_000
KEEP = 20_000

#: One sample in so many is looked at first: few samples show fast that a plan has no solution.
THINNING = 8

#: Samples of the domain on which a solution is checked, where changed advisories are then searched for from them.
FRESH = 200_000

#: Times as many where no search follows.
FRESH_FACTOR_WITHOUT_SEARCH = 2.5

#: Points drawn around each one whose advisory changed; their spread as a share of the domain's widths.
NEIGHBOURS = 20
NEIGHBOUR_SPREAD = 0.01

#: Rounds of a program about few samples, at first and where there is time: where scores change at few inputs it takes
#: hardly ten, where a whole box is near unsafe 29 to 43 (P2 on N(1,2)).
FEW_ROUNDS, MANY_ROUNDS = 30, 60

#: Seconds for the first choice among plans, before gradient is tried: it mostly takes 1 to 3, and 35 of P2 on N(1,2).
#: (N(2,9) and property 8, where a whole box is near unsafe: 90 s, and nothing that could be proved.)
CHOICE_SECONDS = 15.0

#: Plans refined for each margin; times that one plan is solved and checked.
MAX_PLANS = 8
MAX_ATTEMPTS = 8

#: Times that counterexamples refute candidates of one plan, before the next plan is tried.
MAX_REFUTATIONS = 3

#: Directions that move several scores; neurons that are rewritten or extended, for each direction.
MAX_JOINT_DIRECTIONS = 3
MAX_NEURONS = 2

#: Neurons of the last hidden layer that are looked at, those first without which scores change least.
LOOKED_AT = 12

#: Ways to shift scores that are refined for each margin.
MAX_SHIFTS = 2

#: The share of the domain's samples whose advisory may change by a relayed neuron; layers in which one is sought.
TOLERATED = 1e-4
MAX_RELAY_LAYERS = 5
