// A campaign's view, and several campaigns side by side.

const figure = (value, name) => el("div", { class: "figure" }, el("div", { class: "value" }, value), el("div", { class: "name" }, name));

function usdFigure(cost) {
  const [known, more] = usdText(cost).split(" + ");
  return more ? [known, " ", el("small", null, `+ ${more}`)] : known;
}

const usesGpus = (campaign) => campaign.spent_unit === "GPU-hours";

function headline(campaign) {
  const { cost, best_gain: gain, best_score: best, baseline: base } = campaign;
  const settled = campaign.ideas.length - campaign.fates.open;
  const present = Object.keys(FATES).filter((fate) => campaign.fates[fate]);
  return el("section", { class: "card", "aria-label": "headline" },
    el("div", { class: "figures" },
      best && figure([fixed(best.metric), " ", best.error !== null && el("small", null, `\u00b1 ${fixed(best.error)}`)], ["best, ", bestLink(campaign), best.seeds > 1 && `, ${seedsText(best)}`]),
      base && figure([fixed(base.metric), " ", base.error !== null && el("small", null, `\u00b1 ${fixed(base.error)}`)], `baseline, ${campaign.metric.unit}${base.seeds > 1 ? `, ${seedsText(base)}` : ""}`),
      gain && figure(`${gain.is_noise ? "~ " : ""}${signed(gain.value)}`, gain.low === null ? "gain, error unknown" : `gain [${signed(gain.low)},\u00a0${signed(gain.high)}]${gain.is_noise ? ", within noise" : ""}`),
      figure([String(settled), el("small", null, ` of ${Math.max(campaign.ideas_wanted, campaign.ideas.length)}`)], "ideas with an outcome"),
      usesGpus(campaign) ? figure(hoursText(cost.gpu_hours), "GPU-hours") : figure(secondsText(cost.train_seconds), "of training, without a GPU"),
      figure(usdFigure(cost), `${plural(cost.calls, "call")}, ${compactText(cost.tokens)} tokens`)),
    campaign.ideas.length ? el("div", { class: "fates", role: "img", "aria-label": present.map((f) => `${campaign.fates[f]} ${f}`).join(", ") },
      present.map((fate) => { const part = el("span", { class: tone(fate) }); part.style.flexGrow = campaign.fates[fate]; return part; })) : null,
    el("ul", { class: "legend" }, present.map((fate) => el("li", null, el("span", { class: `mark ${tone(fate)}` }), `${campaign.fates[fate]} ${fate}`))),
    el("p", { class: "soft" }, "Better and worse mean beyond twice the standard error of the difference. The best of many is also the luckiest: airr.verify tells whether it holds."));
}

function bestLink(campaign) {
  const place = REPORT.campaigns.indexOf(campaign);
  return el("a", { href: address(place, campaign.best) }, campaign.best);
}

const progressPoints = (campaign, place) => campaign.progress.map((p, i) => {
  const repeated = i && campaign.progress[i - 1].idea === p.idea;
  return [p.spent, p.metric, p.idea === "baseline" || repeated ? null : address(place, p.idea), `${p.idea}: ${fixed(p.metric)}`];
});
const epochPoints = (campaign) => campaign.epochs.filter((e) => e.best_so_far).map((e) => [e.epoch, e.best_so_far.metric, null, `after epoch ${e.epoch + 1}: ${scoreText(e.best_so_far)}`]);

function funnel(campaign) {
  const most = Math.max(1, campaign.funnel[0].passed);
  return el("div", { class: "funnel" }, campaign.funnel.map((step, i) => {
    const bar = el("i");
    bar.style.width = `${Math.max(0.5, (step.passed / most) * 76)}%`;
    const lost = Object.entries(step.lost).map(([reason, count]) => `${count} ${reason.replaceAll("_", " ")}`).join(", ");
    return [el("div", null, step.name), el("div", { class: `bar${i === campaign.funnel.length - 1 ? " last" : ""}` }, bar, String(step.passed)), el("div", { class: "lost" }, lost && `\u2212 ${lost}`)];
  }));
}

const LEARNED = [
  ["mean", (e) => fixed(e.mean)], ["of scored", (e) => e.scored_mean === null ? "" : fixed(e.scored_mean)],
  ["scored", (e) => `${Math.round(100 * e.execution_rate)} %`], ["maximum", (e) => e.maximum === null ? "" : fixed(e.maximum)],
  ["best", (e) => e.best_so_far === null ? "" : fixed(e.best_so_far)], ["distinct", (e) => `${e.distinct} of ${e.ideas}`],
  ["alike", (e) => fixed(e.similarity, 2)], ["top two", (e) => `${Math.round(100 * e.top_share)} %`],
  ["thinking", (e) => plainNumber(Math.round(e.thinking_tokens))], ["idea", (e) => plainNumber(Math.round(e.idea_tokens))],
  ["entropy", (e) => e.entropy === null ? "" : fixed(e.entropy, 3)], ["KL", (e) => e.kl === null ? "" : fixed(e.kl, 3)],
  ["jobs", (e) => e.update_seconds === null ? "" : `${secondsText(e.sample_seconds)} + ${secondsText(e.update_seconds)}`],
];

function learningTable(campaign) {
  if (!campaign.learning.length) return null;
  const row = (e) => el("tr", null, el("td", { "data-head": "epoch" }, String(e.epoch + 1)), LEARNED.map(([head, said]) => el("td", { class: "num", "data-head": head }, said(e))));
  return el("section", { class: "card table" }, el("h2", null, "What the policy learned"),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "epochs of the policy" }, el("table", { class: "compare", "aria-label": "policy" },
      el("thead", null, el("tr", null, el("th", { scope: "col" }, "epoch"), LEARNED.map(([head]) => el("th", { scope: "col", class: "num" }, head)))),
      el("tbody", null, campaign.learning.map(row)))),
    el("p", { class: "soft" }, "Rewards: the mean counts failures as 0, beside it is that of scored ideas alone; best is the best so far. A mean that rises by the share of scored ideas alone means fewer failures, not better ideas; few distinct ideas, or a large share of the two commonest kinds (top two), mean that they converge. Thinking and idea are tokens, entropy and KL (from the model as it came) nats per token, before the update. Jobs say how long the epoch's two took, to sample and to update."));
}

function campaignView(report, place) {
  const campaign = report.campaigns[place], metric = campaign.metric;
  const yTitle = `${metric.name} (${metric.unit}), ${metric.minimize ? "lower" : "higher"} is better`;
  const one = (points) => [{ series: "s0", points }];
  return [
    el("h1", null, campaign.name),
    el("p", { class: "soft" }, `${campaign.env}: ${campaign.title}. ${campaign.strategy}, ${plural(campaign.epochs_wanted, "epoch")}; ${campaign.models}.`),
    campaign.shielded ? null : el("p", { class: "warning" }, "Candidates ran WITHOUT a sandbox."),
    headline(campaign),
    el("div", { class: "pair" },
      el("section", { class: "card" }, el("h2", null, "Best so far, by epoch"),
        stepChart({ lines: one(epochPoints(campaign)), baseline: campaign.baseline, xTitle: "epoch", yTitle, epochs: true, label: "best so far by epoch" })),
      el("section", { class: "card" }, el("h2", null, `Best so far, by ${campaign.spent_unit}`),
        stepChart({ lines: one(progressPoints(campaign, place)), baseline: campaign.baseline, xTitle: campaign.spent_unit, yTitle, label: `best so far by ${campaign.spent_unit}`, clickable: true }))),
    el("div", { class: "pair" },
      el("section", { class: "card" }, el("h2", null, "Outcomes by epoch"), el("p", { class: "soft" }, "A dot for each scored idea, a bar at their median; the band is twice the baseline's standard error."), stripChart(campaign, place)),
      el("section", { class: "card" }, el("h2", null, "From idea to score"), el("p", { class: "soft" }, "How many got past each step, and what ended the others there."), funnel(campaign))),
    screenCards(campaign, place),
    learningTable(campaign),
    el("section", { class: "card long" }, el("h2", null, "Lineage"), el("p", { class: "soft" }, "From parents to children, the best of each epoch on top; the line of the best idea is marked."), lineageChart(campaign, place)),
    ideasTable(campaign, place),
  ];
}

function compareView(report) {
  const used = report.campaigns.every(usesGpus) ? "GPU-hours" : report.campaigns.some(usesGpus) ? "GPU-hours, training" : "training";
  const cells = (campaign) => [
    ["baseline", scoreText(campaign.baseline)], ["best", scoreText(campaign.best_score)], ["gain", gainText(campaign.best_gain)],
    ["better", `${campaign.fates.better} of ${campaign.ideas.length}`], ["failed", String(campaign.fates.failed)],
    [used, usesGpus(campaign) ? hoursText(campaign.cost.gpu_hours) : secondsText(campaign.cost.train_seconds)], ["dollars", usdText(campaign.cost)]];
  const row = (campaign, place) => el("tr", null,
    el("td", null, el("span", { class: `mark s${place % 8} line` }), " ", el("a", { href: address(place) }, campaign.name), el("span", { class: "reason" }, `${campaign.env}, ${campaign.strategy}`)),
    cells(campaign).map(([head, said]) => el("td", { class: "num", "data-head": head }, said)));
  const heads = ["campaign", ...cells(report.campaigns[0]).map(([head]) => head)];
  const groups = new Map();
  report.campaigns.forEach((campaign, place) => {
    const key = `${campaign.env} / ${campaign.metric.name}`;
    groups.set(key, [...(groups.get(key) || []), [campaign, place]]);
  });
  const charts = [...groups].map(([key, members]) => {
    const lines = (points) => members.map(([c, place]) => ({ series: `s${place % 8}`, points: points(c, place) }));
    const yTitle = `${members[0][0].metric.name} (${members[0][0].metric.unit})`;
    const units = new Set(members.map(([c]) => c.spent_unit));
    const legend = (points) => el("ul", { class: "legend" }, members.map(([c, place], i) => {
      const drawn = ([campaign, at]) => JSON.stringify(points(campaign, at).map(([x, y]) => [x, y]));
      const same = members.slice(0, i).find((other) => drawn(other) === drawn(members[i]));
      return el("li", null, el("span", { class: `mark line s${place % 8}` }), c.name, same && el("span", { class: "soft" }, `, the same curve as ${same[0].name}`));
    }));
    const over = units.size > 1 ? el("p", { class: "soft" }, "Some used GPUs and some did not: what they spent does not compare.")
      : stepChart({ lines: lines(progressPoints), xTitle: [...units][0], yTitle, label: `best so far by ${[...units][0]}, ${key}`, clickable: true });
    return el("div", { class: "pair" },
      el("section", { class: "card" }, el("h2", null, `${key}: best so far, by epoch`), stepChart({ lines: lines(epochPoints), xTitle: "epoch", yTitle, epochs: true, label: `best so far by epoch, ${key}` }), legend(epochPoints)),
      el("section", { class: "card" }, el("h2", null, `Best so far, by ${[...units].join(" and ")}`), over, legend(progressPoints)));
  });
  return [
    el("h1", null, plural(report.campaigns.length, "campaign")),
    el("section", { class: "card table" }, el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "comparison" }, el("table", { class: "compare", "aria-label": "campaigns" },
      el("thead", null, el("tr", null, heads.map((head, i) => el("th", { scope: "col", class: i ? "num" : null }, head)))),
      el("tbody", null, report.campaigns.map(row)))),
      el("p", { class: "soft" }, "Scores and gains with their standard errors, each against its own baseline; ~ marks a gain within twice its error.")),
    charts,
  ];
}
