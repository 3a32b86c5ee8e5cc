"""Whatever colour a Chamber chooses, people can read what is written in it and on it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chamberlist import branding

APP_CSS = Path(branding.__file__).parent / "static/chamberlist/app.css"
colours = st.binary(min_size=3, max_size=3).map(lambda rgb: f"#{rgb.hex()}")


def properties(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", css))


def scheme(name: str) -> dict[str, str]:
    """The colours of app.css in the light or in the dark scheme."""
    light, rest = APP_CSS.read_text().split("@media (prefers-color-scheme: dark)")
    dark = rest.split("\n}\n")[0]
    return properties(light) | (properties(dark) if name == "dark" else {})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#fefefe", "#fefefe", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#000000", 5.25),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, expected: float) -> None:
    assert branding.contrast(one, other) == pytest.approx(expected, abs=0.005)
    assert branding.contrast(other, one) == branding.contrast(one, other)


@given(colours)
def test_text_on_any_colour_is_readable(colour: str) -> None:
    assert branding.contrast(properties(branding.stylesheet(colour))["on-brand"], colour) >= 4.5


@given(colours)
def test_any_colour_becomes_readable_on_every_surface(colour: str) -> None:
    made = properties(branding.stylesheet(colour))
    for name in ("light", "dark"):
        surfaces = scheme(name)
        for surface in ("ground", "sheet", "well"):
            assert branding.contrast(made[f"brand-text-{name}"], surfaces[surface]) >= 4.5


@given(colours)
def test_a_colour_that_is_readable_already_stays_as_it_is(colour: str) -> None:
    made = properties(branding.stylesheet(colour))
    assert made["brand"] == colour
    if branding.contrast(colour, branding.LIGHT_GROUND) >= 4.5:
        assert made["brand-text-light"] == colour
    if branding.contrast(colour, branding.DARK_GROUND) >= 4.5:
        assert made["brand-text-dark"] == colour


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_colours_of_the_house_are_readable_on_every_surface(name: str) -> None:
    palette = scheme(name)
    for surface in ("ground", "sheet", "well"):
        for text in ("ink", "soft", "wrong", "good"):
            assert branding.contrast(palette[text], palette[surface]) >= 4.5, (text, surface)
        # WCAG 1.4.11: the outline of a field.
        assert branding.contrast(palette["edge"], palette[surface]) >= 3, surface


def test_the_stylesheet_falls_back_to_the_default_colour() -> None:
    made = properties(branding.stylesheet(branding.DEFAULT_COLOUR))
    assert made.items() <= scheme("light").items()


NOT_COLOURS = ("", "red", "#fff", "#12345", "#1234567", "#12345g", "#123456\n", "} body {", "\uff03123456")


@pytest.mark.parametrize("colour", NOT_COLOURS)
def test_anything_but_a_colour_is_refused_with_a_sentence(colour: str) -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        branding.stylesheet(colour)


def test_upper_case_is_the_same_colour() -> None:
    assert branding.stylesheet("#AABBCC") == branding.stylesheet("#aabbcc")
