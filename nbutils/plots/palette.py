"""Colours of the figures: one value for light pages, one for dark pages.

A figure is drawn with the light values. Each of them stands for one role, so that a report can
replace it by a CSS variable and the figure follows the page from light to dark.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """One role and its two values.

    Parameters
    ----------
    name
        The role; the CSS variable is ``--fig-<name>``.
    light, dark
        ``#rrggbb`` in lower case; `light` values are unique, since a report finds them by value.
    """

    name: str
    light: str
    dark: str


INK = Colour("ink", "#1a1f26", "#e9ebee")
MUTED = Colour("muted", "#57606c", "#a9b2bd")
GRID = Colour("grid", "#e4e7ec", "#2d333b")
SURFACE = Colour("surface", "#fefefe", "#171b21")

# Okabe and Ito, "Color Universal Design" (2008), lightened on dark pages.
BLUE = Colour("blue", "#0072b2", "#56b4e9")
ORANGE = Colour("orange", "#d55e00", "#ff9450")
GREEN = Colour("green", "#008f69", "#3fc79a")
PURPLE = Colour("purple", "#b5608f", "#e29bc4")
GREY = Colour("grey", "#8b949f", "#77818d")

SERIES = (BLUE, ORANGE, GREEN, PURPLE, GREY)

# Ramps of cells with a number on them. Between the fourth and the fifth step they jump over the
# middle lightnesses, on which neither dark nor light text reaches a contrast of 4.5.
RIGHT = tuple(
    Colour(f"right-{level}", light, dark)
    for level, (light, dark) in enumerate(
        (
            ("#e6f0fa", "#182838"),
            ("#cfe2f4", "#1c354d"),
            ("#b0cfec", "#214463"),
            ("#8ab8e0", "#27557c"),
            ("#2f74b5", "#4f96cf"),
            ("#20609f", "#72b1e2"),
            ("#134b84", "#96caf2"),
            ("#083566", "#bfe1fb"),
        ),
        start=1,
    )
)
WRONG = tuple(
    Colour(f"wrong-{level}", light, dark)
    for level, (light, dark) in enumerate(
        (
            ("#fdeee3", "#33221a"),
            ("#fbdcc6", "#47291a"),
            ("#f8c29c", "#5e331b"),
            ("#f2a36c", "#783f1c"),
            ("#c2510a", "#e07b39"),
            ("#a84306", "#ee9a61"),
            ("#8a3504", "#f6b88c"),
            ("#6a2803", "#fcd7bb"),
        ),
        start=1,
    )
)
ON_LOW = Colour("on-low", "#11151a", "#f4f6f8")
ON_HIGH = Colour("on-high", "#fdfdfd", "#0b0e12")

PALETTE = (INK, MUTED, GRID, SURFACE, *SERIES, *RIGHT, *WRONG, ON_LOW, ON_HIGH)
