import math

import pytest

from rules.units import UnitError, convert, quantity, unit


@pytest.mark.parametrize(
    ("text", "target", "value"),
    [
        ("15 cm", "mm", 150.0),
        ("2.5 m", "mm", 2500.0),
        ("25 %LEL", "%LEL", 25.0),
        ("5000 ppm", "percent", 0.5),
        ("30 degC", "degC", 30.0),
        ("30 degC", "degF", 86.0),
        ("0.1 deg/h", "deg/s", 0.1 / 3600),
        ("30 mm/h", "mm/min", 0.5),
        ("36 km/h", "m/s", 10.0),
        ("3 m^3/h", "L/s", 3000 / 3600),
        ("3 m3/h", "m**3/h", 3.0),
        ("3 m³/h", "m3/h", 3.0),
        ("10 kPa", "mbar", 100.0),
        ("70 dB(A)", "dBA", 70.0),
        ("5 µg/m³", "mg/m^3", 0.005),
        ("-5 °C", "degC", -5.0),
        ("2", "", 2.0),
        ("50 %", "", 0.5),
    ],
)
def test_quantities_convert(text, target, value):
    assert math.isclose(quantity(text, target), value, rel_tol=1e-11)


def test_a_difference_of_temperatures_has_no_zero_point():
    assert quantity("10 degC", "degF", difference=True) == 18.0
    assert quantity("10 degC", "degF") == 50.0


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("30 s", "mm", "a time (s) does not compare with a length (mm)"),
        ("25 %", "%LEL", "share of the explosive limit"),
        ("5", "mm", 'such as "5 mm"'),
        ("5 mmm", "mm", "did you mean mm?"),
        ("mm", "mm", "is expected"),
        ("5 m/", "mm", "not understood"),
    ],
)
def test_wrong_quantities_say_what_to_do(text, target, said):
    with pytest.raises(UnitError) as caught:
        quantity(text, target)
    assert said in str(caught.value)


def test_limits_come_out_as_people_write_them():
    assert convert(0.3, unit("m"), unit("mm")) == 300.0
    assert convert(0.29, unit("m"), unit("cm")) == 29.0
