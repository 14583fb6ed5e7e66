// The graph of ideas: a column for each epoch, the best on top; lines lead from parents to children.

const LINEAGE_MOST = 240;

function ancestry(byId, roots) {
  const kept = new Set(), queue = [...roots];
  while (queue.length) {
    const id = queue.pop();
    if (kept.has(id) || !byId.has(id)) continue;
    kept.add(id);
    queue.push(...byId.get(id).parents);
  }
  return kept;
}

function lineageChart(campaign, place) {
  const byId = new Map(campaign.ideas.map((idea) => [idea.id, idea]));
  if (!campaign.ideas.some((idea) => idea.parents.length))
    return el("p", { class: "soft" }, "No idea was made from others.");
  const better = (a, b) => (a.score ? (b.score ? (campaign.metric.minimize ? 1 : -1) * (a.score.metric - b.score.metric) : -1) : b.score ? 1 : 0);
  const ranked = [...campaign.ideas].sort((a, b) => better(a, b) || (a.id < b.id ? -1 : 1));
  let shown = campaign.ideas, note = null;
  if (campaign.ideas.length > LINEAGE_MOST) {
    const kept = new Set();
    let count = 0;
    for (const idea of ranked) {
      if (!idea.score) break;
      const more = ancestry(byId, [idea.id]);
      if (count && new Set([...kept, ...more]).size > LINEAGE_MOST) break;
      more.forEach((id) => kept.add(id));
      if (++count === 25) break;
    }
    shown = campaign.ideas.filter((idea) => kept.has(idea.id)).slice(0, 2 * LINEAGE_MOST);
    note = el("p", { class: "soft" }, `Of ${campaign.ideas.length} ideas, the best ${count} and all that they come from.`);
  }
  const line = ancestry(byId, campaign.best ? [campaign.best] : []);
  const epochs = [...new Set(shown.map((idea) => idea.epoch))].sort((a, b) => a - b);
  const columns = new Map(epochs.map((epoch) => [epoch, []])), inGraph = new Set(shown);
  for (const idea of ranked) if (inGraph.has(idea)) columns.get(idea.epoch).push(idea);
  const gapX = Math.max(96, Math.min(narrow() ? 130 : 340, 1100 / Math.max(1, epochs.length))), gapY = 26;
  const rows = Math.max(...[...columns.values()].map((c) => c.length));
  const width = gapX * (epochs.length - 1) + 116, height = rows * gapY + 34;
  const at = new Map();
  epochs.forEach((epoch, i) => columns.get(epoch).forEach((idea, j) => at.set(idea.id, [i * gapX + 14, j * gapY + 38])));
  const root = svg("svg", { class: "lineage", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Which ideas were made from which; each idea's view lists its parents and children" });
  root.style.width = `${width}px`;
  root.style.maxWidth = "none";
  epochs.forEach((epoch, i) => root.append(svg("text", { x: i * gapX + 8, y: 14 }, `epoch ${epoch + 1}`)));
  for (const strong of [false, true])
    for (const idea of shown)
      for (const parent of idea.parents) {
        const from = at.get(parent), to = at.get(idea.id);
        if (!from || !to || (line.has(idea.id) && line.has(parent)) !== strong) continue;
        const mid = (from[0] + 62 + to[0]) / 2;
        root.append(svg("path", { class: strong ? "edge strong" : "edge", d: `M${from[0] + 66} ${from[1]}C${mid + 20} ${from[1]} ${mid - 10} ${to[1]} ${to[0] - 8} ${to[1]}` }));
      }
  for (const idea of shown) {
    const [x, y] = at.get(idea.id);
    const mark = idea.score
      ? svg("circle", { class: `dot ${tone(idea.fate)}`, cx: x, cy: y, r: 5.5 })
      : svg("path", { class: `cross ${tone(idea.fate)}`, d: `M${x - 4} ${y - 4}l8 8M${x + 4} ${y - 4}l-8 8` });
    root.append(svg("a", { href: address(place, idea.id), tabindex: -1 },
      svg("title", null, `${idea.id} (${idea.fate}): ${idea.title}`), mark,
      svg("text", { x: x + 10, y: y + 4, class: line.has(idea.id) ? "strong" : null }, idea.id)));
  }
  return [note, el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "lineage graph" }, root)];
}
