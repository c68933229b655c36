"""Small diagrams of boxes and arrows, as SVG, from a description in a grid."""

import dataclasses
import itertools
import math
from xml.sax.saxutils import escape

GRID_X, GRID_Y = 92, 62  # pixels of a step in the grid
WIDTH, HEIGHT, RADIUS = 62, 30, 13


@dataclasses.dataclass
class Diagram:
    """Boxes, circles and plain text by name, at places `(x, y)` with y upwards; arrows between them."""

    nodes: dict[str, tuple[float, float, str, str]] = dataclasses.field(default_factory=dict)
    arrows: list[tuple[str, str, str, bool, float]] = dataclasses.field(default_factory=list)

    def add(self, name: str, x: float, y: float, label: str | None = None, kind: str = "box") -> str:
        """A node: a box, a circle (an operation) or text. Returns its name."""
        self.nodes[name] = (x, y, name if label is None else label, kind)
        return name

    def arrow(self, *names: str, label: str = "", dashed: bool = False, bend: float = 0.0) -> None:
        """Arrows from the first node to the second, on to the third ..."""
        for begin, end in itertools.pairwise(names):
            self.arrows.append((begin, end, label, dashed, bend))

    def svg(self) -> str:
        """The picture."""
        xs, ys = ([node[i] for node in self.nodes.values()] for i in (0, 1))
        self._left, self._top = min(xs) - 0.6, max(ys) + 0.7
        width = (max(xs) - min(xs) + 1.2) * GRID_X
        height = (max(ys) - min(ys) + 1.4) * GRID_Y
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" font-size="13" text-anchor="middle">',
            '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
            '<rect width="100%" height="100%" fill="white"/>',
            *(self._arrow(*arrow) for arrow in self.arrows),
            *(self._node(*node) for node in self.nodes.values()),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (x - self._left) * GRID_X, (self._top - y) * GRID_Y

    def _node(self, x: float, y: float, label: str, kind: str) -> str:
        px, py = self._at(x, y)
        text = f'<text x="{px:.0f}" y="{py + 4.5:.0f}">{escape(label)}</text>'
        if kind == "text":
            return text
        if kind == "circle":
            return f'<circle cx="{px:.0f}" cy="{py:.0f}" r="{RADIUS}" fill="white" stroke="black"/>{text}'
        left, top = px - WIDTH / 2, py - HEIGHT / 2
        return (
            f'<rect x="{left:.0f}" y="{top:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="#eee" '
            f'stroke="black"/>{text}'
        )

    def _edge(self, name: str, toward: tuple[float, float]) -> tuple[float, float]:
        """Where the line from a node's middle toward a point leaves it."""
        x, y, _, kind = self.nodes[name]
        px, py = self._at(x, y)
        dx, dy = toward[0] - px, toward[1] - py
        if kind == "circle":
            scale = RADIUS / math.hypot(dx, dy)
        else:
            half = (WIDTH / 2, HEIGHT / 2) if kind == "box" else (16, 10)
            scale = min(half[0] / abs(dx) if dx else math.inf, half[1] / abs(dy) if dy else math.inf)
        return px + dx * (scale + 0.001), py + dy * (scale + 0.001)

    def _arrow(self, begin: str, end: str, label: str, dashed: bool, bend: float) -> str:
        (x0, y0), (x1, y1) = (self._at(*self.nodes[name][:2]) for name in (begin, end))
        middle = ((x0 + x1) / 2 + bend * (y1 - y0) / 2, (y0 + y1) / 2 - bend * (x1 - x0) / 2)
        (ax, ay), (bx, by) = self._edge(begin, middle), self._edge(end, middle)
        style = ' stroke-dasharray="5 3"' if dashed else ""
        through = f"Q{middle[0]:.0f},{middle[1]:.0f} " if bend else "L"
        path = f"M{ax:.0f},{ay:.0f} {through}{bx:.0f},{by:.0f}"
        line = f'<path d="{path}" fill="none" stroke="black" marker-end="url(#a)"{style}/>'
        if not label:
            return line
        tx, ty = (ax + 2 * middle[0] + bx) / 4, (ay + 2 * middle[1] + by) / 4
        return line + f'<text x="{tx:.0f}" y="{ty - 5:.0f}" font-style="italic">{escape(label)}</text>'
