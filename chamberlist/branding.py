"""The Chamber's one colour, turned into colours that people can read on light and on dark (WCAG 2.x contrast)."""

import colorsys
import re

DEFAULT_COLOUR = "#1d5c63"
READABLE = 4.5  # WCAG 1.4.3: the contrast of ordinary text.
# The surfaces of app.css that are hardest to read on: the darkest of the light ones, the lightest of the dark ones.
LIGHT_GROUND = "#ece9e1"
DARK_GROUND = "#2b302e"
BLACK, WHITE = "#000000", "#ffffff"
STEPS = 100


def stylesheet(colour: str) -> str:
    """The CSS custom properties for ``colour`` ("#rrggbb"; anything else raises ValueError)."""
    brand = to_hex(channels(colour))
    return (
        ":root {\n"
        f"  --brand: {brand};\n"
        f"  --on-brand: {text_on(brand)};\n"
        f"  --brand-text-light: {readable(brand, on=LIGHT_GROUND, lightness=0)};\n"
        f"  --brand-text-dark: {readable(brand, on=DARK_GROUND, lightness=1)};\n"
        "}\n"
    )


def text_on(ground: str) -> str:
    """White, or black where white text is not readable on ``ground``: one of the two always is."""
    return WHITE if contrast(WHITE, ground) >= READABLE else BLACK


def readable(colour: str, *, on: str, lightness: float) -> str:
    """``colour``, moved towards ``lightness`` (0 black, 1 white) just until it is readable as text on ``on``.

    Hue and saturation stay, so that it is still the Chamber's colour.
    """
    if contrast(colour, on) >= READABLE:
        return colour
    hue, start, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in channels(colour)))
    for step in range(1, STEPS):
        rgb = colorsys.hls_to_rgb(hue, start + (lightness - start) * step / STEPS, saturation)
        moved = to_hex(tuple(round(channel * 255) for channel in rgb))
        if contrast(moved, on) >= READABLE:
            return moved
    return WHITE if lightness else BLACK


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.x)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance, 0 to 1 (WCAG 2.x, with the threshold 0.04045 of its 2021 erratum)."""
    red, green, blue = (linear(channel / 255) for channel in channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(channel: float) -> float:
    """A channel of sRGB, 0 to 1, as linear light."""
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def channels(colour: str) -> tuple[int, ...]:
    """Red, green and blue, 0 to 255 each."""
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour):
        raise ValueError(f"A colour is written #rrggbb, such as {DEFAULT_COLOUR}; this is not: {colour!r}.")
    return tuple(bytes.fromhex(colour[1:]))


def to_hex(rgb: tuple[int, ...]) -> str:
    """Three channels as #rrggbb."""
    return "#" + bytes(rgb).hex()
