"""MODEL_CARD.md: what a bundle is, what it was trained on, how good it is on what, and what it is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from screening_node.pathways.weights import Card, load_bundle

NAME = "MODEL_CARD.md"


def write(folder: Path, summary: Mapping[str, Any], command: str) -> Path:
    """Write MODEL_CARD.md into a bundle's folder, from its card and the figures that ``command`` printed."""
    path = folder / NAME
    path.write_text(render(load_bundle(folder).card, summary, command), encoding="utf-8")
    return path


def render(card: Card, summary: Mapping[str, Any], command: str) -> str:
    """The model card as Markdown."""
    parts = [
        f"# {card.name} {card.version}",
        "> **Phantom-trained. Not for clinical use.** These weights have only ever seen synthetic films that this "
        "project drew itself. Nothing here says how they do on a real film. A single film never rules disease out.",
        f"**Intended use.** {card.intended_use}",
        f"**Training data.** {card.training_data}.",
        f"**Networks.** {_networks(card)}",
        f"**T-scores.** Reference table `{card.reference}`, which is the phantom cohort's own; a site enters its DXA "
        "machine's.",
        "**Uncertainty.** Residual SD in g/cm2, measured on the validation films: "
        + ", ".join(f"{vertebra} {sd:.3f}" for vertebra, sd in card.residual_sd.items())
        + ". It holds for synthetic films.",
        "## Measured\n\n"
        f"On {summary['films']} unseen synthetic films (phantom `{summary['phantom']}`, seeds {summary['first_seed']} "
        f"to {summary['last_seed']}), end to end: DICOM file in, landmarks found by the detector, ROIs placed by "
        f"them. {_refused(summary)} {_landmarks(summary)}\n\n```\n{command}\n```",
    ]
    if "bmd" in summary:
        parts += [_table(summary["bmd"]), _patients(summary["bmd"])]
    return "\n\n".join(parts) + "\n"


def _networks(card: Card) -> str:
    detector = card.detectors[0].architecture
    member = card.members[0].architecture
    return (
        f"Landmark detector `{detector['kind']}` ({detector['backbone']}, {detector['size']} px); "
        f"{len(card.members)} estimators `{member['kind']}` ({member['backbone']}, crops of {member['size']} px), "
        "averaged. Sizes are in `card.toml`."
    )


def _refused(summary: Mapping[str, Any]) -> str:
    refused = summary["refused"]
    if not refused:
        return "None was refused."
    return "Refused: " + ", ".join(f"{count} {code}" for code, count in sorted(refused.items())) + "."


def _landmarks(summary: Mapping[str, Any]) -> str:
    found = summary.get("landmarks")
    if found is None:
        return ""
    kinds = ", ".join(f"{kind} {error:.1f}" for kind, error in found["by_kind_mm"].items())
    return (
        f"Landmarks: mean radial error {found['mean_mm']:.1f} mm ({kinds}), 95th percentile {found['p95_mm']:.1f} mm."
    )


def _table(bmd: Mapping[str, Any]) -> str:
    name = bmd["thresholds"]
    rows = [
        f"| | R | RMSE | MAE | bias | AUC for T <= -2.5 | sensitivity (`{name}`) | specificity |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for vertebra, row in bmd["vertebrae"].items():
        numbers = [row[key] for key in ("r", "rmse", "mae", "bias", "auc")]
        numbers += [row[name]["sensitivity"], row[name]["specificity"]]
        rows.append(f"| {vertebra} | " + " | ".join(map(_number, numbers)) + " |")
    return "\n".join(rows)


def _patients(bmd: Mapping[str, Any]) -> str:
    lines = []
    for kind, row in bmd["patient"].items():
        lines.append(
            f"- {kind.replace('_', ' ')}: sensitivity {_number(row['sensitivity'])}, specificity "
            f"{_number(row['specificity'])} ({row['positives']} of {row['positives'] + row['negatives']} films)"
        )
    return f"By patient, any vertebra below its `{bmd['thresholds']}` threshold:\n\n" + "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
