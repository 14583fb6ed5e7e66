// Line charts and strips of dots, as SVG. What failed is counted beside a chart, never drawn in it.

const narrow = () => window.innerWidth < 704;

function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = size * ([1, 2, 2.5, 5, 10].find((n) => n * size >= raw) || 10);
  const marks = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) marks.push(i * step);
  return { marks, digits: Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9) + (step / size === 2.5 ? 1 : 0))) };
}

function padded(values) {
  const low = Math.min(...values), high = Math.max(...values);
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

// Far outliers on the bad side would flatten all else: they stand at the edge, as a mark of its own.
function domainOf(metrics, keep, minimize) {
  const sorted = [...metrics].sort((a, b) => (minimize ? a - b : b - a));
  const inner = sorted.slice(0, Math.max(2, Math.ceil(sorted.length * 0.95)));
  const best = sorted[0], typical = sorted[Math.floor(sorted.length / 2)];
  const bound = typical + (typical - best) * 3;
  const shown = inner.filter((v) => (minimize ? v <= bound : v >= bound));
  return padded([...(shown.length > 1 ? shown : sorted), ...keep]);
}

function frame({ x, y, label, height, xTicks, xTitle, yTitle, foot = 0 }) {
  const width = narrow() ? 360 : 560;
  const box = { left: 52, right: width - 10, top: 20, bottom: height - 36 - foot, width, height };
  const sx = (v) => box.left + ((v - x[0]) / (x[1] - x[0] || 1)) * (box.right - box.left);
  const sy = (v) => box.bottom - ((v - y[0]) / (y[1] - y[0] || 1)) * (box.bottom - box.top);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const { marks, digits } = ticks(y[0], y[1], 5);
  for (const mark of marks) {
    root.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: sy(mark), y2: sy(mark) }));
    root.append(svg("text", { x: box.left - 7, y: sy(mark) + 4, "text-anchor": "end" }, mark.toFixed(digits)));
  }
  for (const { at, text } of xTicks) root.append(svg("text", { x: sx(at), y: box.bottom + 18, "text-anchor": "middle" }, text));
  root.append(svg("text", { x: box.left - 44, y: 10 }, yTitle));
  root.append(svg("text", { x: box.right, y: height - 3, "text-anchor": "end" }, xTitle));
  return { root, box, sx, sy };
}

function numberTicks(low, high) {
  const { marks, digits } = ticks(low, high, narrow() ? 4 : 6);
  return marks.map((at) => ({ at, text: at.toFixed(digits) }));
}

function epochTicks(last) {
  const step = Math.max(1, Math.ceil((last + 1) / (narrow() ? 6 : 10)));
  const marks = [];
  for (let epoch = 0; epoch <= last; epoch += step) marks.push({ at: epoch, text: String(epoch + 1) });
  return marks;
}

const bandOf = (baseline) => baseline ? [baseline.metric + 2 * (baseline.error || 0), baseline.metric - 2 * (baseline.error || 0)] : [];

function drawBaseline({ root, box, sy }, baseline) {
  if (!baseline) return;
  const y = sy(baseline.metric);
  let above = y;
  if (baseline.error !== null) {
    const top = sy(baseline.metric + 2 * baseline.error), bottom = sy(baseline.metric - 2 * baseline.error);
    above = Math.min(top, bottom);
    root.append(svg("rect", { class: "band", x: box.left, width: box.right - box.left, y: Math.min(top, bottom), height: Math.abs(bottom - top) }));
  }
  root.append(svg("line", { class: "base", x1: box.left, x2: box.right, y1: y, y2: y }));
  root.append(svg("text", { x: box.right, y: above - 5, "text-anchor": "end", class: "strong" }, "baseline"));
}

// points: [x, metric]; a best-so-far keeps its value until the next is found
function stairs(points, sx, sy) {
  return points.map(([x, y], i) => (i ? `H${sx(x).toFixed(1)}V${sy(y).toFixed(1)}` : `M${sx(x).toFixed(1)} ${sy(y).toFixed(1)}`)).join("");
}

const at = (points, x) => {
  let y = null;
  for (const [px, py] of points) if (px <= x) y = py;
  return x > points[points.length - 1][0] ? null : y;
};

// A line that others cover is drawn the wider the more of them lie on it: all stay to be seen.
function widthsOf(lines, x, sy) {
  const places = Array.from({ length: 97 }, (_, i) => x[0] + (i / 96) * (x[1] - x[0]));
  const values = lines.map((line) => (line.points.length ? places.map((p) => at(line.points, p)) : []));
  const touch = (a, b) => values[a].some((v, i) => v !== null && values[b].length && values[b][i] !== null && Math.abs(sy(v) - sy(values[b][i])) < 2);
  const layers = lines.map(() => 0);
  for (let i = lines.length - 1; i >= 0; i--)
    for (let j = i + 1; j < lines.length; j++) if (touch(i, j)) layers[i] = Math.max(layers[i], layers[j] + 1);
  return layers.map((layer) => 2 + layer * Math.min(3.5, 12 / lines.length));
}

function stepChart({ lines, baseline, xTitle, yTitle, label, epochs, clickable }) {
  const points = lines.flatMap((line) => line.points);
  if (!points.length) return el("p", { class: "soft" }, "Nothing is scored yet.");
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const x = epochs ? [Math.min(...xs) - 0.3, Math.max(...xs) + 0.3] : [0, Math.max(...xs) * 1.02 || 1];
  const xTicks = epochs ? epochTicks(Math.max(...xs)) : numberTicks(x[0], x[1]);
  const chart = frame({ x, y: padded([...ys, ...bandOf(baseline)]), label, height: 280, xTicks, xTitle, yTitle });
  if (clickable) chart.root.setAttribute("role", "group"); // an image has no links in it
  drawBaseline(chart, baseline);
  const widths = widthsOf(lines, x, chart.sy);
  for (const [i, line] of lines.entries()) {
    const group = svg("g", { class: line.series });
    group.append(svg("path", { class: "curve", "stroke-width": widths[i].toFixed(1), d: stairs(line.points, chart.sx, chart.sy) }));
    for (const [px, py, href, title] of line.points) {
      const dot = svg("circle", { class: "series", cx: chart.sx(px), cy: chart.sy(py), r: (2.5 + widths[i] / 2).toFixed(1) }, title && svg("title", null, title));
      group.append(clickable && href ? svg("a", { href, "aria-label": title }, dot) : dot);
    }
    chart.root.append(group);
  }
  return chart.root;
}

const EACH_MOST = 800;

// Thousands of dots as one path for each fate; a click goes to the idea that is nearest.
function drawMany(root, dots, radius, place) {
  for (const fate of Object.keys(FATES)) {
    const own = dots.filter(([, , idea]) => idea.fate === fate);
    if (!own.length) continue;
    const d = own.map(([cx, cy]) => `M${cx.toFixed(1)} ${cy.toFixed(1)}h.01`).join("");
    root.append(svg("path", { class: `many ${tone(fate)}`, "stroke-width": radius * 2, d }));
  }
  root.addEventListener("click", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(root.getScreenCTM().inverse());
    const away = ([cx, cy]) => (cx - at.x) ** 2 + (cy - at.y) ** 2;
    const nearest = dots.reduce((one, other) => (away(other) < away(one) ? other : one));
    if (away(nearest) < 64) location.hash = address(place, nearest[2].id);
  });
}

// An idea in a chart: a dot, or a mark of its own at the edge that it lies beyond; it leads to its view.
function ideaMark({ idea, place, cx, cy, radius, inside, title }) {
  const shape = inside ? ["circle", { class: `dot ${tone(idea.fate)}`, cx, cy, r: radius }]
    : ["path", { class: `cross ${tone(idea.fate)}`, d: `M${cx - radius} ${cy + radius}L${cx} ${cy - radius}L${cx + radius} ${cy + radius}` }];
  return svg("a", { href: address(place, idea.id), tabindex: -1 }, svg(...shape, svg("title", null, title)));
}

const beyondNote = (count) => count ? el("p", { class: "soft" }, `${plural(count, "score")} beyond the scale ${count === 1 ? "stands" : "stand"} at its edge.`) : null;

// Each dot a scored idea; beside its neighbours where they would cover each other.
function stripChart(campaign, place) {
  const scored = campaign.ideas.filter((idea) => idea.score);
  if (!scored.length) return el("p", { class: "soft" }, "Nothing is scored yet.");
  const base = campaign.baseline, minimize = campaign.metric.minimize;
  const y = domainOf(scored.map((idea) => idea.score.metric), bandOf(base), minimize);
  const last = Math.max(...campaign.epochs.map((e) => e.epoch));
  const label = `${campaign.metric.name} of each scored idea, by epoch; the table below has the same numbers`;
  const chart = frame({ x: [-0.5, last + 0.5], y, label, height: 312, foot: 16, xTicks: epochTicks(last), xTitle: "epoch", yTitle: `${campaign.metric.name} (${campaign.metric.unit})` });
  drawBaseline(chart, base);
  const column = (chart.box.right - chart.box.left) / (last + 1);
  const radius = Math.max(1.6, Math.min(4.5, column / 14));
  const rows = new Map();
  const many = scored.length > EACH_MOST, dots = [];
  let beyond = 0;
  for (const idea of scored) {
    const value = idea.score.metric, inside = value >= y[0] && value <= y[1];
    const cy = Math.max(chart.box.top, Math.min(chart.box.bottom, chart.sy(value)));
    const key = `${idea.epoch}/${Math.round(cy / (radius * 2))}`;
    const nth = rows.get(key) || 0;
    rows.set(key, nth + 1);
    const aside = Math.min(Math.ceil(nth / 2) * radius * 2, column * 0.44) * (nth % 2 ? -1 : 1);
    const cx = chart.sx(idea.epoch) + aside;
    beyond += !inside;
    if (many) {
      dots.push([cx, cy, idea]);
      continue;
    }
    chart.root.append(ideaMark({ idea, place, cx, cy, radius, inside, title: `${idea.id}: ${scoreText(idea.score)}, ${idea.fate}` }));
  }
  if (many) drawMany(chart.root, dots, radius, place);
  for (const epoch of campaign.epochs) {
    if (epoch.median === null) continue;
    const at = Math.max(chart.box.top, Math.min(chart.box.bottom, chart.sy(epoch.median)));
    const half = Math.min(column * 0.3, 26);
    chart.root.append(svg("line", { class: "median", x1: chart.sx(epoch.epoch) - half, x2: chart.sx(epoch.epoch) + half, y1: at, y2: at }, svg("title", null, `median ${fixed(epoch.median)}`)));
  }
  const unscored = (e) => (e.fates.failed || 0) + (e.fates.dropped || 0) + (e.fates.withheld || 0) + (e.fates.open || 0);
  if (column > 30) {
    for (const e of campaign.epochs) {
      const told = [e.fates.failed && `${e.fates.failed} failed`, e.fates.dropped && `${e.fates.dropped} dropped`, e.fates.withheld && `${e.fates.withheld} withheld`, e.fates.open && `${e.fates.open} open`].filter(Boolean);
      chart.root.append(svg("text", { x: chart.sx(e.epoch), y: chart.box.bottom + 34, "text-anchor": "middle" }, column > 90 ? told.join(", ") : unscored(e) ? `\u00d7${unscored(e)}` : ""));
    }
  }
  if (column <= 30) {
    for (const e of campaign.epochs) {
      const height = (13 * unscored(e)) / e.proposed, wide = Math.max(1, column * 0.6);
      if (height) chart.root.append(svg("rect", { class: "lost", x: chart.sx(e.epoch) - wide / 2, width: wide, y: chart.box.bottom + 37 - height, height },
        svg("title", null, `epoch ${e.epoch + 1}: ${unscored(e)} of ${e.proposed} without a score`)));
    }
    chart.root.append(svg("text", { x: chart.box.left, y: chart.box.bottom + 49 }, "share without a score"));
  }
  return [chart.root, beyondNote(beyond)];
}

function curveChart(curve, series = "s0") {
  const x = [Math.min(...curve.steps), Math.max(...curve.steps)];
  const chart = frame({ x, y: padded(curve.values), label: `${curve.name} over steps, as training told it`, height: 240, xTicks: numberTicks(x[0], x[1]), xTitle: "step", yTitle: curve.name });
  const d = curve.steps.map((step, i) => `${i ? "L" : "M"}${chart.sx(step).toFixed(1)} ${chart.sy(curve.values[i]).toFixed(1)}`).join("");
  chart.root.classList.add("alone");
  chart.root.append(svg("path", { class: `curve ${series}`, "stroke-width": 2, d }));
  return chart.root;
}
