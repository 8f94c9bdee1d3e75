"""A published report, checked and run again.

`checking` finds out what needs no training, `rebuilding` makes a study of a manifest, `comparing`
sets two manifests side by side, `running` does it all again, `account` says it in words.
"""

from nbutils.reproduce.account import describe_check, describe_reproduction
from nbutils.reproduce.checking import Check, CheckResult, check_report
from nbutils.reproduce.comparing import (
    Comparison,
    Difference,
    MetricComparison,
    PredictionComparison,
    compare_manifests,
)
from nbutils.reproduce.rebuilding import rebuild_study
from nbutils.reproduce.running import ReproduceOptions, Reproduction, reproduce_report

__all__ = [
    "Check",
    "CheckResult",
    "Comparison",
    "Difference",
    "MetricComparison",
    "PredictionComparison",
    "ReproduceOptions",
    "Reproduction",
    "check_report",
    "compare_manifests",
    "describe_check",
    "describe_reproduction",
    "rebuild_study",
    "reproduce_report",
]
