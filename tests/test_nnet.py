"""`.nnet` files: read as what they say, in both units."""

import gzip
from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx
import pytest
from cases import case, prop, row
from hypothesis import given
from hypothesis import strategies as st
from nnet_files import MALFORMED, SMALL, exact_small, published, small, small_raw
from onnx import numpy_helper

from engine import InputError, Options, Problem, Unknown, load_network, verify_all
from engine.acasxu.identity import identify
from engine.exact import evaluate, radii
from engine.nnet import Normalization, changes, content_of, load, nnet_text, parse
from engine.nnet.decimals import decimals, exact_text
from engine.onnx_file import parse_network
from engine.replay import replay

SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False)
TEXTS = st.builds(
    "{}{}.{}{}".format,
    st.sampled_from(["", "+", "-"]),
    st.integers(0, 10**12),
    st.integers(0, 10**25),
    st.sampled_from(["", "e0", "E+7", "e-45", "e-60", "E99", "e+25"]),
)
POINTS = [(Fraction(a, 8), Fraction(b, 8)) for a in range(-20, 21, 3) for b in range(-20, 33, 3)]


class TestDecimals:
    @given(TEXTS)
    def test_the_nearest_float64_and_float32_numbers(self, text):
        """Against exact fractions: no neighbour is nearer, and the bound of rounded layers holds."""
        found, exact = decimals([text]), Fraction(text)
        value, single = found.values[0], found.singles()[0]
        off = abs(Fraction(float(value)) - exact)
        for neighbour in (np.nextafter(value, np.inf), np.nextafter(value, -np.inf)):
            assert off <= abs(Fraction(float(neighbour)) - exact)
        assert off <= abs(exact) / 2**53 and off <= abs(Fraction(float(value))) / 2**53
        assert found.exact == (off == 0) and np.sign(float(exact - Fraction(float(value)))) == found.sides[0]
        if np.isfinite(single):
            for neighbour in (np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf))):
                if np.isfinite(neighbour):
                    distance = abs(Fraction(float(neighbour)) - exact)
                    assert abs(Fraction(float(single)) - exact) <= distance

    @pytest.mark.parametrize("sign", ["", "-"])
    def test_a_decimal_just_off_the_middle_is_rounded_once(self, sign):
        """1 + 2^-24 is half-way between two float32 numbers; float64 holds it, and not what is 10^-30 off."""
        middle = "1.000000059604644775390625"
        above, below = f"{sign}{middle}00000000001", f"{sign}1.00000005960464477539062499999999"
        found = decimals([sign + middle, above, below])
        assert len(set(found.values)) == 1
        assert np.abs(found.singles()).tolist() == [1.0, float(np.float32(1 + 2**-23)), 1.0]

    def test_zeros_and_subnormals_that_float64_holds(self):
        found = decimals(["-0.0", "0", "-0e5", "1e-0"])
        assert found.values.tolist() == [0, 0, 0, 1] and found.exact and not np.signbit(found.values).any()
        tiny = exact_text(2.0**-1074)
        assert decimals([tiny]).exact and decimals([tiny]).values[0] == 2.0**-1074


class TestReading:
    def test_normalized_units(self):
        network = parse(SMALL.encode(), name="small")
        assert network.shape == (2, (2, True), (1, False)) and network.rounded and network.number is np.float32
        assert network.layers[0].weight.tolist() == [[0.1, -0.25], [0.3, 4.0]]
        assert [layer.bias.tolist() for layer in network.layers] == [[0.1, -0.7], [0.125]]
        for point in POINTS:
            (value,), (radius,) = evaluate(network, point), radii(network, point)
            assert abs(value - small(*point)) <= radius < Fraction(1, 2**46)

    def test_raw_units_clip_normalize_and_scale_back(self):
        network = parse(SMALL.encode(), units="raw")
        assert network.shape == (2, (4, True), (2, False), (2, True), (1, False), (1, False))
        for point in POINTS:
            (value,), (radius,) = evaluate(network, point), radii(network, point)
            assert abs(value - small_raw(*point)) <= radius < Fraction(1, 2**42)

    def test_a_normalization_beyond_float64_is_refused_where_it_is_used(self):
        text = SMALL.replace("0.1,0.2,7,8,-3,", "0.1,0.2,7,8,-3e999,").encode()
        assert parse(text).n_inputs == 2
        with pytest.raises(InputError, match="^f: a number is beyond the range of float64"):
            parse(text, where="f", units="raw")

    def test_the_two_readings_are_two_networks(self):
        normalized, raw = parse(SMALL.encode()), parse(SMALL.encode(), units="raw")
        assert normalized.sha256 != raw.sha256 and len(raw.sha256) == 64

    def test_exact_decimals_are_no_rounded_network(self):
        network = parse(exact_small().encode())
        assert not network.rounded and network.number is np.float32
        held = parse_network(network.onnx_bytes)
        assert all(np.array_equal(a.weight, b.weight) for a, b in zip(network.layers, held.layers, strict=True))

    def test_decimals_that_float64_holds_and_float32_does_not(self):
        network = parse(
            exact_small().replace("0.125\n", "0.1250000000000001110223024625156540423631668090820312500\n").encode()
        )
        assert not network.rounded and network.number is np.float64
        assert replay(network, np.array([[0.5, 0.25]])).dtype == np.float64

    def test_windows_lines_missing_commas_and_blank_ends(self):
        network = parse(SMALL.encode())
        for text in (SMALL.replace("\n", "\r\n"), SMALL.replace(",\n", "\n"), SMALL + "\n \n\t\n", SMALL.rstrip()):
            assert parse(text.encode()).onnx_bytes != b""
            assert all(np.array_equal(a.weight, b.weight) for a, b in zip(parse(text.encode()).layers, network.layers))

    @pytest.mark.parametrize("name", MALFORMED)
    def test_malformed(self, name, tmp_path):
        data, line, words = MALFORMED[name]
        (tmp_path / "m.nnet").write_bytes(data)
        with pytest.raises(InputError) as caught:
            load(tmp_path / "m.nnet")
        message = str(caught.value)
        assert message.startswith(f"{tmp_path / 'm.nnet'}: line {line}: ") and words in message
        assert len(message) < 400 and message.isprintable()

    @given(st.data())
    def test_whatever_the_bytes_are_an_error_is_one_line(self, data):
        text = bytearray(SMALL.encode())
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(text) - 1))
            text[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=3))
        try:
            assert parse(bytes(text), where="f").n_inputs > 0
        except InputError as error:
            assert str(error).startswith("f: ") and len(str(error).splitlines()) == 1

    def test_the_public_function_reads_all_endings(self, tmp_path):
        (tmp_path / "a.nnet.gz").write_bytes(gzip.compress(SMALL.encode()))
        (tmp_path / "a.nnet").write_text(SMALL)
        one, other = load_network(tmp_path / "a.nnet"), load_network(tmp_path / "a.nnet.gz")
        assert (one.name, one.sha256) == (other.name, other.sha256) == ("a", one.sha256)
        assert load_network(tmp_path / "a.nnet", units="raw").n_inputs == 2
        (tmp_path / "a.onnx").write_bytes(one.onnx_bytes)
        with pytest.raises(InputError, match=r"a\.onnx: only a \.nnet file has two kinds of units"):
            load_network(tmp_path / "a.onnx", units="raw")
        with pytest.raises(InputError, match="there are no units 'feet'; use one of normalized, raw"):
            load_network(tmp_path / "a.nnet", units="feet")


class TestWriting:
    @given(st.lists(SINGLES, min_size=11, max_size=11))
    def test_onnx_to_nnet_and_back_keeps_every_bit(self, numbers):
        """But the sign of zeros, which is none of a number."""
        values = np.array(numbers, np.float32) + np.float32(0)
        text = exact_small()
        start = parse(text.encode())
        model = onnx.load_model_from_string(start.onnx_bytes)
        sizes, place = [4, 2, 2, 1], 0
        for tensor, size in zip(model.graph.initializer, sizes):
            part = values[place : place + size].reshape(tuple(tensor.dims))
            tensor.CopyFrom(numpy_helper.from_array(part, tensor.name))
            place += size
        original = parse_network(model.SerializeToString(), name="o")
        written = nnet_text(original, Normalization.identity(2)).encode("ascii")
        again = parse(written)
        assert not again.rounded
        kept = onnx.load_model_from_string(again.onnx_bytes).graph.initializer
        assert [t.raw_data for t in kept] == [t.raw_data for t in model.graph.initializer]
        assert changes(content_of(written), again).changed == 0

    def test_normalization_is_kept_exactly(self):
        network, normalization = parse(exact_small().encode()), content_of(SMALL.encode()).normalization
        assert content_of(nnet_text(network, normalization).encode()).normalization == normalization

    def test_the_identity_changes_no_float32_point(self):
        network = parse(exact_small().encode())
        text = nnet_text(network, Normalization.identity(2)).encode()
        point = [Fraction(float(np.finfo(np.float32).max)), Fraction(-1, 3)]
        assert evaluate(parse(text, units="raw"), point) == evaluate(network, point)

    def test_what_the_format_cannot_hold(self):
        rounded, exact = parse(SMALL.encode(), name="r"), parse(exact_small().encode(), name="e")
        identity = Normalization.identity(2)
        with pytest.raises(InputError, match="r: writing a .nnet file of it is not possible"):
            nnet_text(rounded, identity)
        with pytest.raises(InputError, match="the normalization is of 3 inputs, the network has 2"):
            nnet_text(exact, Normalization.identity(3))
        ends = replace(exact, layers=exact.layers[:1])
        with pytest.raises(InputError, match="e: it ends with a ReLU: a .nnet file has one after each layer but"):
            nnet_text(ends, identity)
        with pytest.raises(InputError, match="e: no ReLU follows layer 1"):
            nnet_text(replace(exact, layers=(replace(exact.layers[0], relu=False), exact.layers[1])), identity)
        with pytest.raises(InputError, match="1/3 is no decimal number"):
            nnet_text(exact, Normalization(*[(Fraction(1, 3), Fraction(1))] * 4))


class TestVerdicts:
    """All that is decided of a `.nnet` network is about its decimals."""

    def decided(self, network, **options):
        constant = options.pop("constant")
        question = prop(case([0, 0], [1, 1], [row([1], constant, n_inputs=2)]))
        (verdict,) = verify_all([Problem(network, question)], Options(device="cpu", threads=1, timeout=1, **options))
        return verdict

    def test_about_the_decimals(self):
        """y <= -3.2 is unsafe: the least value on the box is f(1, 1) = -0.9 * 3.6 + 0.125 = -3.115."""
        network = parse(SMALL.encode(), name="small")
        assert small(Fraction(1), Fraction(1)) == Fraction("-3.115")
        assert self.decided(network, constant=Fraction("3.2")).word == "unsat"
        assert self.decided(network, constant=Fraction("3.1")).word == "sat"

    def test_a_value_that_only_the_decimals_have_is_undecided(self):
        """-3.115 is reached exactly by the decimals; rounded numbers leave that open, and nothing is claimed."""
        network = parse(SMALL.encode(), name="small")
        assert isinstance(self.decided(network, constant=Fraction("3.115"), max_open=20), Unknown)

    def test_no_float32_semantics(self):
        with pytest.raises(InputError, match="no float32 semantics: a .nnet file does not say how it is executed"):
            self.decided(parse(exact_small().encode()), constant=9, semantics="float32")


@pytest.mark.slow
def test_the_published_files_are_the_onnx_files(acasxu_networks):
    """The nearest float32 number of each of 598,725 decimals is the ONNX file's; both agree at points."""
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 5)).astype(np.float32)
    numbers = 0
    for path in published():
        network, content = load(path), content_of(path.read_bytes())
        twin = load_network(acasxu_networks / path.with_suffix(".onnx").name)
        assert network.shape == twin.shape and network.rounded
        assert identify(network) == identify(twin) and identify(twin) is not None
        assert str(identify(parse_network(network.onnx_bytes))) == f"changed {identify(twin)}"
        assert identify(load(path, units="raw")) is None, "its inputs are others"
        for decimal, held, layer in zip(content.layers, parse_network(network.onnx_bytes).layers, twin.layers):
            for part, stored, own in (
                (decimal.weight, held.weight, layer.weight),
                (decimal.bias, held.bias, layer.bias),
            ):
                assert np.array_equal(part.singles(), own) and np.array_equal(stored, own)
                numbers += own.size
        assert changes(content, network).largest < 9e-7
        assert np.abs(network.evaluate(points) - twin.evaluate(points)).max() < 1e-5
        assert np.abs(replay(network, points) - replay(twin, points)).max() < 1e-5
    assert numbers == 598_725


@pytest.mark.slow
def test_published_normalization():
    """Seven minima, eight means: the first five are the inputs', the last the outputs' (DESIGN.md)."""
    (found,) = {content_of(path.read_bytes()).normalization for path in published()}
    assert [float(v) for v in found.means] == [19791.091, 0.0, 0.0, 650.0, 600.0]
    assert [float(v) for v in found.ranges] == [60261.0, 6.28318530718, 6.28318530718, 1100.0, 1200.0]
    assert (float(found.output_mean), float(found.output_range)) == (7.5188840201005975, 373.94992)
