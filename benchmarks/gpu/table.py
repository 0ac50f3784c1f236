"""The table: printed line by line as it grows, and kept as Markdown under the card's name."""

import re
from datetime import UTC, datetime
from pathlib import Path


class Table:
    """Lines of (part, case, figures)."""

    def __init__(self, card: str) -> None:
        self.card = card
        self.lines: list[tuple[str, str, str]] = []
        print(card, flush=True)

    def add(self, part: str, case: str, figures: str) -> None:
        self.lines.append((part, case, figures))
        print(f"{part:<12} {case:<46} {figures}", flush=True)

    def write(self, folder: Path) -> Path:
        """Keep it as `gpu-CARD-TIME.md` in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        name = re.sub(r"[^a-z0-9]+", "-", self.card.partition(",")[0].lower()).strip("-")
        page = folder / f"gpu-{name}-{now:%Y-%m-%dT%H%M%S}.md"
        rows = "\n".join(f"| {part} | {case} | {figures} |" for part, case, figures in self.lines)
        page.write_text(
            f"# Measuring on a GPU\n\n{now:%Y-%m-%d %H:%M} UTC, {self.card}. A ratio is of the captured over the plain "
            f"forward pass, or of attention with statistics over PyTorch's own.\n\n"
            f"| part | case | figures |\n|---|---|---|\n{rows}\n"
        )
        return page
