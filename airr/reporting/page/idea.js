// One idea's view, drawn when it is asked for; its large parts are unpacked then.

async function detailsOf(place, number, size) {
  const packed = document.getElementById(`detail-${place}-${Math.floor(number / size)}`).textContent;
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text())[number % size];
}

function diffView(diff) {
  const kind = (line) =>
    /^(diff |--- |\+\+\+ |index |new file|deleted file|rename |<<<<<<<|=======|>>>>>>>)/.test(line) ? "file"
      : line.startsWith("@@") ? "hunk" : line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : null;
  return el("pre", { class: "diff", tabindex: 0, "aria-label": "diff" }, diff.replace(/\n$/, "").split("\n").map((line) => el("span", { class: kind(line) }, line)));
}

// a line that goes on with a small letter was wrapped by its writer's width, not by a reader's
const unwrapped = (text) => text.replace(/(\S{2,})\n(?=[a-z(])(?![\w./]+:|[\w]+\()/g, "$1 ");

function proseView(text) {
  return el("div", { class: "prose" }, text.split(/(\[Experiment\]|\[Code Changes\])/).map((part) =>
    part === "[Experiment]" || part === "[Code Changes]" ? el("b", null, part.slice(1, -1)) : unwrapped(part.trim())));
}

function linksTo(ids, campaign, place) {
  if (!ids.length) return el("span", { class: "soft" }, "none");
  const byId = new Map(campaign.ideas.map((idea) => [idea.id, idea]));
  return el("span", { class: "links" }, ids.map((id) => {
    const idea = byId.get(id);
    return el("span", null, idea ? el("a", { href: address(place, id) }, id) : id, idea && el("span", { class: `fate ${tone(idea.fate)}` }, ` ${idea.fate}`));
  }));
}

function ideaView(report, place, number) {
  const campaign = report.campaigns[place], idea = campaign.ideas[number];
  const step = (by, text, cls) => {
    const other = campaign.ideas[number + by];
    return other ? el("a", { href: address(place, other.id), class: cls }, text) : null;
  };
  const rest = el("div", null, el("p", { class: "soft" }, "Unpacking\u2026"));
  detailsOf(place, number, report.chunk).then(
    (detail) => rest.replaceChildren(...detailCards(detail).filter(Boolean)),
    () => rest.replaceChildren(el("p", { class: "warning" }, "This browser cannot unpack the diff and the log: open the report with a current one.")));
  const gain = idea.gain;
  const interval = gain && gain.low !== null ? `[${signed(gain.low)},\u00a0${signed(gain.high)}]` : "";
  return [
    el("nav", { class: "way", "aria-label": "ideas" }, el("a", { href: address(place) }, `\u2191 ${campaign.name}`), step(-1, "\u2190 before", "next"), step(1, "next \u2192", step(-1, "", "") ? "" : "next")),
    el("h1", null, idea.id),
    el("p", null, idea.title),
    el("section", { class: "card" },
      el("div", { class: "figures" },
        figure(el("span", { class: `fate ${tone(idea.fate)}` }, idea.fate), idea.reason ? `${idea.reason}${idea.stage ? `, ${idea.stage}` : ""}` : "outcome"),
        idea.score && figure([fixed(idea.score.metric), " ", idea.score.error !== null && el("small", null, `\u00b1 ${fixed(idea.score.error)}`)], `${campaign.metric.name}, ${campaign.metric.unit}${idea.score.seeds > 1 ? `, ${seedsText(idea.score)}` : ""}`),
        gain && figure(`${gain.is_noise ? "~ " : ""}${signed(gain.value)}`, `gain over the baseline ${interval}`),
        usesGpus(campaign) ? figure(hoursText(idea.cost.gpu_hours), "GPU-hours") : figure(secondsText(idea.cost.train_seconds), "of training"),
        figure(usdFigure(idea.cost), `${plural(idea.cost.calls, "call")}, ${compactText(idea.cost.tokens)} tokens`)),
      idea.why && el("p", { class: "why soft" }, idea.why)),
    el("section", { class: "card long" }, el("h2", null, "The idea"),
      el("p", { class: "soft" }, `${idea.origin}, by ${idea.model}, epoch ${idea.epoch + 1}${idea.base ? `; patches the codebase of ${idea.base}` : ""}`), proseView(idea.text),
      el("h3", null, "Parents"), linksTo(idea.parents, campaign, place), el("h3", null, "Children"), linksTo(idea.children, campaign, place)),
    rest,
  ];
}

function seedsTable(seeds) {
  const heads = ["seed", "score"].map((head, i) => el("th", { scope: "col", class: i ? "num" : null }, head));
  return el("table", { class: "seeds" }, el("thead", null, el("tr", null, heads)),
    el("tbody", null, seeds.map((seed) => el("tr", null, el("td", null, seed.repeat ? `the campaign's + ${seed.repeat}` : "the campaign's"),
      el("td", { class: "num" }, seed.metric === null ? seed.why : scoreText(seed))))));
}

function detailCards(detail) {
  const applied = detail.revisions.filter((r) => r.applied).pop();
  const others = detail.revisions.filter((r) => r !== applied);
  const reported = Object.entries(detail.reported);
  return [
    el("section", { class: "card long" }, el("h2", null, "Diff"),
      applied ? [el("p", { class: "soft" }, `${applied.title}: ${applied.verdict}`), diffView(applied.diff)] : el("p", { class: "soft" }, "No answer passed."),
      others.map((r) => el("details", null, el("summary", null, `${r.title}: ${r.verdict}`), diffView(r.diff)))),
    detail.curve && el("section", { class: "card" }, el("h2", null, "Training"), el("p", { class: "soft" }, "As training told it; only the sealed scorer counts."), curveChart(detail.curve)),
    detail.seeds.length ? el("section", { class: "card" }, el("h2", null, "Seeds"), seedsTable(detail.seeds)) : null,
    (detail.log_tail || detail.attempts.length || reported.length) ? el("section", { class: "card long" }, el("h2", null, "Runs"),
      detail.attempts.map((a) => el("p", { class: "soft" }, `${a.id} on ${a.node || "no node"}: ${a.state}, trained ${secondsText(a.train_seconds)}`)),
      reported.length ? el("p", { class: "soft" }, `Told by training: ${reported.map(([name, value]) => `${name} ${plainNumber(value)}`).join(", ")}`) : null,
      detail.log_tail && [el("h3", null, "End of the log"), el("pre", { class: "tail", tabindex: 0, "aria-label": "end of the log" }, detail.log_tail)]) : null,
  ];
}
