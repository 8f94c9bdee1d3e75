"""Figures of data, training and predictions.

Every function draws on the `Axes` that it is given, or on a new figure, and returns them; `show`
displays them in a notebook. Figures are built without pyplot, so that nothing is shown twice and
nothing stays in memory. Each carries alt text that says its message with its numbers.
"""

from nbutils.plots.abstention import plot_coverage_risk
from nbutils.plots.data import (
    plot_bars,
    plot_class_balance,
    plot_score_intervals,
    plot_token_lengths,
)
from nbutils.plots.dynamics import plot_training_map
from nbutils.plots.figure import alt_text, show, to_svg
from nbutils.plots.flips import plot_flip_rates
from nbutils.plots.label_sets import (
    plot_co_occurrence,
    plot_confusions,
    plot_label_outcomes,
    plot_threshold_curve,
)
from nbutils.plots.predictions import plot_calibration, plot_confidence_histogram, plot_confusion
from nbutils.plots.rate_range import plot_range_test
from nbutils.plots.scores import plot_class_scores
from nbutils.plots.slices import plot_slices
from nbutils.plots.training import plot_gradient_norm, plot_learning_rate, plot_loss_curves
from nbutils.plots.truncation import plot_accuracy_by_cut
from nbutils.plots.validation import plot_validation_scores

__all__ = [
    "alt_text",
    "plot_accuracy_by_cut",
    "plot_bars",
    "plot_calibration",
    "plot_class_balance",
    "plot_class_scores",
    "plot_co_occurrence",
    "plot_confidence_histogram",
    "plot_confusion",
    "plot_confusions",
    "plot_coverage_risk",
    "plot_flip_rates",
    "plot_gradient_norm",
    "plot_label_outcomes",
    "plot_learning_rate",
    "plot_loss_curves",
    "plot_range_test",
    "plot_score_intervals",
    "plot_slices",
    "plot_threshold_curve",
    "plot_token_lengths",
    "plot_training_map",
    "plot_validation_scores",
    "show",
    "to_svg",
]
