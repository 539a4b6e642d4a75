"""Rounding, bounded by a widening of the lines that a bound is made of.

A bound is computed by backward substitution (crown.py): rows of coefficients A over a layer's outputs
are relaxed to coefficients over its inputs and multiplied with its weights. With M_j = sum_i |W_ji| H_i
+ |b_j|, where H bounds the previous layer's outputs on the box, and t_j the intercept of neuron j's
upper line, everything that is rounded at one layer weighs at most

    sum_j |A_j| (M_j + t_j)

times a small number. With u = 2^-53, n the width and L the number of layers, per layer:

  slopes       three operations on magnitudes of at most 2 |A_j|, times |z_j| <= M_j      12 u
  intercepts   a dot product of n + 1 terms and the widening itself                       (n + 4) u
  weights      the products with weights and bias, n + 1 terms each                       2 (n + 2) u
  rounded      weights and biases that are only the nearest to the network's own          u
  constant     it is one term of the products at each layer still to come, and is itself
               at most the sum of these weights over the layers passed                    L (n + 3) u

Together less than (L + 4) (n + 8) u; `unit` is eight times that, which covers the higher orders, the
rounding of M and the last sum over the box. So a computed bound is a
true one when every line is moved outward by unit * (M_j + t_j). A row that starts with a constant (the
bias of a hidden neuron, a property's constant) gives up unit times that constant too. Multipliers of
assumed signs add coefficients of their own, which are widened in the same way (slopes.py). Sums may
be taken in any order and with fused multiply-adds (Higham, Accuracy and Stability of Numerical
Algorithms, sections 3.1 and 4.2): the same holds on CPU and GPU, and of sparse products, which leave out terms that
are 0 (products.py).

Rows over two networks (pairs.py) meet two operations more where neurons are coupled: A + B = P, of f's coefficient
and g's, and P' - B' after the lines. All that is rounded there weighs at most |P| (M_f + t_f) + |B| (M_f + M_g + t), t
of the difference's lines, and these give up unit times that. 2 u more in each layer are less than (L + 4) (n + 8) u
still. Each of the two rows carries a constant of its own.

Of Sigmoid and Tanh (curves.py) slopes and intercepts are exact numbers, slopes in [0, 1] as those of ReLUs. A neuron's
lines have two intercepts, r and t, and take max(|r|, |t|) for t above. What is added up are s - r and (t + r) + 2 (s -
r), at most three times that, whose own rounding is 4 u of it. Together that is less than 3 (n + 6) u more. All of a
layer is less than 2 (L + 4) (n + 8) u then, of which `unit` is four times.

In real semantics the numbers of a rounded layer (engine/network.py) may be off by u of themselves. With h as it truly
is, z_j lies within u M_j of W h + b then: bounds are those of the true values, and each layer errs by itself alone.

A network executed in float32, in any order of summation, gives each layer's outputs with an error of
at most gamma M_j, gamma = m v / (1 - m v), v = 2^-24, m = n + 4 roundings. That is the same kind of widening:
`float32` semantics only makes `unit` larger. No term meets more than n + 1 of them: a product is rounded once, then
in each of at most n additions, of the other products and the bias; the bias once by a Gemm's beta, then in as
many additions. alpha is 1 or -1, which is exact. A negation is exact; a constant minus the signal and a product entry
by entry are one operation of a layer with one input each. Fused multiply-adds round less often.

Products that underflow add at most 2^-1074 to a coefficient. While all inputs and magnitudes M stay below LARGEST,
which is checked, that is far below UNDERFLOW, which every bound gives up, and nothing
overflows, not even in float32. In float32 a number between 0 and the smallest normal one may be rounded to a
multiple of 2^-149, or flushed to zero, at each operation: that adds less than 2^-126 each time to an output. There
are at most n products, n additions, and one product with beta. ReLUs, and zeros added after the layer, change no
value but such a flushed one: as a value that is 0 stays 0, all of them together and the last addition count once.
`floor` covers 2n + 4. Weights and inputs are assumed not to be flushed. Whatever else a graph may do to sums before
they are made, to constants and to inputs is no part of this: engine/onnx_file/execution.py finds it.
"""

from engine.errors import InputError

SEMANTICS = ("real", "float32")
UNDERFLOW = 2.0**-900
LARGEST = 2.0**100


def unit(width: int, depth: int, semantics: str) -> float:
    """The relative widening of lines for networks of `depth` layers of at most `width` inputs and outputs."""
    roundings = 8 * (depth + 4) * (width + 8) * 2.0**-53
    executed = (width + 4) * 2.0**-24
    if semantics == "float32":
        roundings += executed / (1 - executed)
    if roundings > 2.0**-10:
        raise InputError(
            f"{depth} layers of width {width} are beyond the rounding analysis of {semantics} semantics",
            advice="use a narrower network",
        )
    return roundings


def floor(width: int, semantics: str) -> float:
    """The absolute widening of lines: underflow adds no more to a layer's output when it is executed."""
    return (2 * width + 4) * 2.0**-126 if semantics == "float32" else 0.0
