"""Results as a table and as JSON, and two or more runs side by side.

python -m bench.report bench/results/A.json bench/results/B.json
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]  # a `Result` as JSON
Report = dict[str, Any]  # {"label": …, "about": {…}, "results": [Row, …]}

# CPU-ms per operation that we aim at: SQLite, PostgreSQL with the database's share.
AIMS_MS = {
    "versions": (0.15, 0.15),
    "whoami": (0.2, 0.2),
    "send": (1.0, 2.0),
    "send_one_room": (0.8, 1.8),
    "fanout_20": (0.3, 0.3),
    "noop_sync": (0.35, 0.35),
    "initial_sync": (4.0, 4.0),
    "create_room": (7.0, 7.0),
    "join": (2.0, 2.0),
    "messages": (1.5, 1.5),
    "state": (1.3, 1.3),
    "media_upload": (0.6, 0.6),
    "media_download": (0.3, 0.3),
}
GENERATOR_LIMIT = 0.9  # cores
NOISE = 0.2  # cores
HEADINGS = ("scenario", "conns", "ops/s", "p50 ms", "p99 ms", "CPU-ms/op", "of it db", "aim", "")


def table(report: Report) -> str:
    """One run, one line per scenario."""
    rows = [_cells(row, with_db="postgres" in report["label"]) for row in report["results"]]
    return f"{report['label']}\n{aligned([HEADINGS, *rows])}"


def _cells(row: Row, with_db: bool) -> Sequence[str]:
    aims = AIMS_MS.get(row["scenario"])
    cpu = row["cpu_ms"]
    return (
        row["scenario"],
        str(row["connections"] or ""),
        number(row["ops_per_s"]),
        number(row["p50_ms"]),
        number(row["p99_ms"]),
        number(sum(cpu.values()) if cpu else None),
        number(cpu.get("db")),
        number(aims[with_db] if aims else None),
        _remarks(row),
    )


def _remarks(row: Row) -> str:
    remarks = [f"{name} {value}" for name, value in row["extra"].items()]
    if row["generator_cores"] > GENERATOR_LIMIT:
        remarks.append("generator at its limit")
    if row["other_cores"] > NOISE:
        remarks.append(f"others used {row['other_cores']:.1f} cores")
    remarks += [f"{count} × {reason}" for reason, count in row["errors"].items()]
    return "; ".join(remarks)


def number(value: float | None) -> str:
    """Three digits that count; nothing for None."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side: the first and the last to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    last = len(widths) - 1
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column in (0, last) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def comparison(reports: Sequence[Report]) -> str:
    """CPU-ms per operation of several runs, and each one's ratio to the first."""
    base, *others = reports
    headings = ["CPU-ms/op", base["label"]]
    for other in others:
        headings += [other["label"], "ratio"]
    rows = [headings]
    for row in base["results"]:
        own = _cpu_ms(base, row["scenario"])
        if own is None:
            continue
        cells = [row["scenario"], number(own)]
        for other in others:
            theirs = _cpu_ms(other, row["scenario"])
            cells += [number(theirs), number(theirs and theirs / own)]
        rows.append(cells)
    return aligned(rows)


def _cpu_ms(report: Report, scenario: str) -> float | None:
    for row in report["results"]:
        if row["scenario"] == scenario and row["cpu_ms"]:
            return sum(row["cpu_ms"].values()) or None
    return None


def load(path: Path) -> Report:
    """A saved run."""
    report: Report = json.loads(path.read_text(encoding="utf-8"))
    return report


def save(report: Report, path: Path) -> None:
    """Keep a run."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    print(comparison([load(Path(name)) for name in sys.argv[1:]]))
