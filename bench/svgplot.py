"""Lines over time as an SVG file: as much as the simulator's results need."""
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 62, 120, 40, 46
COLOURS = ("#1b6ca8", "#c8553d", "#4f772d", "#7b4b94", "#8a6d3b")


def _ticks(least, most, count=5):
    """Round numbers from least to most."""
    step = (most - least) / count or 1
    size = 10 ** len(str(int(step))) / 10 if step >= 1 else 10 ** -len(str(int(1 / step)))
    step = next(size * m for m in (1, 2, 5, 10, 20) if size * m >= step)
    first = int(least / step + 0.999)
    return [round(i * step, 9) for i in range(first, int(most / step + 0.001) + 1)]


def plot(title, x_name, y_name, lines, marks=()):
    """
    lines: {name: [(x, y), ...]}; marks: [(from, to, text), ...], shaded spans of x. Returns the SVG.
    """
    xs = [x for line in lines.values() for x, _ in line]
    ys = [y for line in lines.values() for _, y in line]
    x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)
    y0, y1 = y0 - 0.05 * (y1 - y0 or 1), y1 + 0.05 * (y1 - y0 or 1)

    def at_x(x):
        return LEFT + (x - x0) / (x1 - x0 or 1) * (WIDTH - LEFT - RIGHT)

    def at_y(y):
        return HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)

    def text(x, y, words, more=""):
        return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(str(words))}</text>'

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           text(LEFT, 22, title, 'font-size="15" font-weight="bold"')]
    for begin, end, words in marks:
        out.append(f'<rect x="{at_x(begin):.1f}" y="{TOP}" width="{at_x(end) - at_x(begin):.1f}" '
                   f'height="{HEIGHT - TOP - BOTTOM}" fill="#eeeeee"/>')
        out.append(text(at_x(begin) + 4, TOP + 14, words, 'fill="#666666"'))
    for y in _ticks(y0, y1):
        out.append(f'<path d="M{LEFT} {at_y(y):.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        out.append(text(LEFT - 6, at_y(y) + 4, f"{y:g}", 'text-anchor="end"'))
    for x in _ticks(x0, x1):
        out.append(text(at_x(x), HEIGHT - BOTTOM + 16, f"{x:g}", 'text-anchor="middle"'))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_name, 'text-anchor="middle"'))
    out.append(text(14, HEIGHT / 2, y_name, f'text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})"'))
    for i, (name, line) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        points = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in line)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = TOP + 14 + 18 * i
        out.append(f'<path d="M{WIDTH - RIGHT + 12} {y - 4}h18" stroke="{colour}" stroke-width="3"/>')
        out.append(text(WIDTH - RIGHT + 36, y, name))
    return "\n".join(out) + "\n</svg>\n"
