// What the rungs of a screen cost, who went on from them, and whether full runs agree with them.

function agreementText({ pairs, rank_correlation: rho, p_value: p }) {
  if (rho === null) return plural(pairs, "pair");
  return `${signed(rho, 2)} (${plural(pairs, "pair")}, p ${p < 0.001 ? "< 0.001" : `= ${Number(p.toPrecision(2))}`})`;
}

function screenTable(campaign) {
  const spent = (hours, seconds) => usesGpus(campaign) ? hoursText(hours) : secondsText(seconds);
  const cells = (rung) => [
    [usesGpus(campaign) ? "GPU-hours" : "training", spent(rung.gpu_hours, rung.train_seconds)], ["tried", rung.tried], ["failed", rung.failed],
    ["dropped", rung.dropped], ["promoted", rung.promoted], ["waiting", rung.waiting], ["rank correlation", agreementText(rung)]]
    .filter(([head]) => head !== "waiting" || campaign.screen.some((one) => one.waiting));
  const heads = ["tried with", ...cells(campaign.screen[0]).map(([head]) => head)];
  const row = (rung) => el("tr", null, el("td", null, rung.name), cells(rung).map(([head, said]) => el("td", { class: "num", "data-head": head }, String(said))));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "rungs of the screen" }, el("table", { class: "compare", "aria-label": "screen" },
    el("thead", null, el("tr", null, heads.map((head, i) => el("th", { scope: "col", class: i ? "num" : null }, head)))),
    el("tbody", null, campaign.screen.map(row))));
}

// Each dot an idea with both scores; below the axis, those that have none of a full run.
function screenChart(campaign, place, rung) {
  const tried = campaign.ideas.filter((idea) => idea.id in rung.scores);
  const both = tried.filter((idea) => idea.score), alone = tried.filter((idea) => !idea.score);
  if (!both.length) return el("p", { class: "soft" }, "No idea has both scores yet.");
  const base = campaign.baseline, minimize = campaign.metric.minimize;
  const x = domainOf(tried.map((idea) => rung.scores[idea.id]), rung.baseline === null ? [] : [rung.baseline], minimize);
  const y = domainOf(both.map((idea) => idea.score.metric), bandOf(base), minimize);
  const label = `score of a full run over the score with ${rung.name}, of each idea that has both`;
  const chart = frame({ x, y, label, height: 312, foot: alone.length ? 18 : 0, xTicks: numberTicks(x[0], x[1]), xTitle: `score with ${rung.name}`, yTitle: `full run: ${campaign.metric.name} (${campaign.metric.unit}), ${minimize ? "lower" : "higher"} is better` });
  const { root, box, sx, sy } = chart;
  const within = (value, low, high) => Math.max(low, Math.min(high, value));
  const placed = (idea) => {
    const [x, y] = [sx(rung.scores[idea.id]), idea.score ? sy(idea.score.metric) : box.bottom];
    const [cx, cy] = [within(x, box.left, box.right), within(y, box.top, box.bottom)];
    return { cx, cy, inside: cx === x && cy === y };
  };
  if (rung.baseline !== null) root.append(svg("line", { class: "base", x1: sx(rung.baseline), x2: sx(rung.baseline), y1: box.top, y2: box.bottom }, svg("title", null, `baseline: ${fixed(rung.baseline)}`)));
  drawBaseline(chart, base);
  const radius = both.length > EACH_MOST ? 2 : 4.5;
  if (both.length > EACH_MOST) drawMany(root, both.map((idea) => [placed(idea).cx, placed(idea).cy, idea]), radius, place);
  else for (const idea of both) root.append(ideaMark({ idea, place, radius, ...placed(idea), title: `${idea.id}: ${fixed(rung.scores[idea.id])} in the screen, ${scoreText(idea.score)} in full` }));
  for (const idea of alone) {
    const { cx } = placed(idea);
    root.append(svg("path", { class: `tick ${tone(idea.fate)}`, d: `M${cx} ${box.bottom + 26}v10` }, svg("title", null, `${idea.id}: ${fixed(rung.scores[idea.id])} in the screen, ${idea.fate}`)));
  }
  return [root, beyondNote(tried.filter((idea) => !placed(idea).inside).length)];
}

function screenCards(campaign, place) {
  if (!campaign.screen.length) return null;
  return [
    el("section", { class: "card table", "aria-label": "screens" }, el("h2", null, "Screens"), el("p", { class: "soft" }, "Each epoch's ideas are tried with less first, and the best go on."), screenTable(campaign)),
    el("div", { class: "pair odd" },
      campaign.screen.map((rung) => el("section", { class: "card" }, el("h2", null, `Full run over screen: ${rung.name}`),
        el("p", { class: "soft" }, "A dot for each idea with both scores, a tick below for each that has none of a full run; dashed is the baseline."), screenChart(campaign, place, rung))),
      el("section", { class: "card" }, el("h2", null, "Does the screen's order hold?"),
        el("p", { class: "soft" }, "The rank correlation (Spearman) says how well the order of a rung agrees with that of full runs, and p how often chance alone agrees or disagrees as much."),
        el("p", { class: "soft" }, "Only promoted ideas have both scores. Among those, picked for being good in the screen, it is mostly lower than it would be among all; what the dropped ones would have come to, nobody knows."))),
  ];
}
