// The table of all ideas: searched, filtered, sorted, and shown a page at a time.

const PAGE = 50;
const COLUMNS = [
  { key: "id", title: "idea", of: (i) => i.id },
  { key: "fate", title: "outcome", of: (i) => Object.keys(FATES).indexOf(i.fate) * 1000 + (i.reason ? i.reason.charCodeAt(0) : 0) },
  { key: "score", title: "score", num: true, of: (i) => (i.score ? i.score.metric : null) },
  { key: "gain", title: "gain", num: true, down: true, of: (i) => (i.gain ? i.gain.value : null) },
  { key: "seeds", title: "seeds", num: true, wide: true, down: true, of: (i) => (i.score ? i.score.seeds : null) },
  { key: "origin", title: "origin", wide: true, of: (i) => i.origin },
  { key: "train", title: "training", num: true, wide: true, down: true, of: (i) => i.cost.train_seconds },
  { key: "usd", title: "dollars", num: true, wide: true, down: true, of: (i) => i.cost.usd },
  { key: "title", title: "what", of: (i) => i.title },
];
const tableState = new Map(); // by campaign: what was searched, kept while an idea is looked at

// columns that say the same of every idea take their place from the one that is read
const SAID = { gain: (i) => i.gain, seeds: (i) => i.score && i.score.seeds > 1, usd: (i) => i.cost.usd || i.cost.unpriced };

function ideasTable(campaign, place) {
  const columns = COLUMNS.filter((c) => !(c.key in SAID) || campaign.ideas.some(SAID[c.key]));
  const shows = (key) => columns.some((c) => c.key === key);
  const state = tableState.get(place) || { query: "", fate: "", sort: shows("gain") ? "gain" : "score", down: shows("gain") || !campaign.metric.minimize, page: 0 };
  tableState.set(place, state);
  let haystacks = null; // made at the first search
  const haystack = (n) => {
    haystacks ||= campaign.ideas.map((i) => `${i.id} ${i.text} ${i.origin} ${i.model} ${i.fate} ${i.reason || ""} ${i.why}`.toLowerCase());
    return haystacks[n];
  };
  const body = el("tbody"), count = el("span", { class: "soft", role: "status" }), where = el("span", null);
  const heads = columns.map((c) => el("th", { scope: "col", class: `${c.num ? "num" : ""}${c.wide ? " wide" : ""}` },
    el("button", { type: "button", onclick: () => sortBy(c) }, c.key === "score" ? campaign.metric.name : c.title)));
  const before = el("button", { type: "button", onclick: () => turn(-1) }, "\u2190 before");
  const after = el("button", { type: "button", onclick: () => turn(1) }, "next \u2192");
  const search = el("input", { type: "search", placeholder: "Search ideas: words, ids, reasons", "aria-label": "Search ideas", value: state.query,
    oninput: (event) => { state.query = event.target.value; state.page = 0; draw(); } });
  const present = Object.keys(FATES).filter((fate) => campaign.fates[fate]);
  const filter = el("select", { "aria-label": "Outcome", onchange: (event) => { state.fate = event.target.value; state.page = 0; draw(); } },
    el("option", { value: "" }, "all outcomes"), present.map((fate) => el("option", { value: fate, selected: fate === state.fate }, `${fate} (${campaign.fates[fate]})`)));

  function sortBy(column) {
    state.down = state.sort === column.key ? !state.down : Boolean(column.down);
    state.sort = column.key;
    state.page = 0;
    draw();
  }
  function turn(pages) { state.page += pages; draw(); }

  function found() {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    const of = COLUMNS.find((c) => c.key === state.sort).of, sign = state.down ? -1 : 1;
    return campaign.ideas
      .filter((idea, n) => (!state.fate || idea.fate === state.fate) && words.every((word) => haystack(n).includes(word)))
      .map((idea) => [of(idea), idea])
      .sort(([a, x], [b, y]) => {
        if (a === null || b === null) return (a === null) - (b === null) || (x.id < y.id ? -1 : 1); // no score: last, both ways
        return (a < b ? -sign : a > b ? sign : 0) || (x.id < y.id ? -1 : 1);
      })
      .map(([, idea]) => idea);
  }

  function row(idea) {
    return el("tr", { "data-id": idea.id },
      el("td", { class: "id" }, el("a", { href: address(place, idea.id) }, idea.id)),
      el("td", null, el("span", { class: `fate ${tone(idea.fate)}` }, idea.fate), idea.reason && el("span", { class: "reason" }, idea.stage ? `${idea.reason}, ${idea.stage}` : idea.reason)),
      el("td", { class: "num", title: scoreText(idea.score) || null }, idea.score ? fixed(idea.score.metric) : ""),
      shows("gain") && el("td", { class: "num" }, gainText(idea.gain)),
      shows("seeds") && el("td", { class: "num wide" }, idea.score ? String(idea.score.seeds) : ""),
      el("td", { class: "wide" }, idea.origin),
      el("td", { class: "num wide" }, idea.cost.train_seconds ? secondsText(idea.cost.train_seconds) : ""),
      shows("usd") && el("td", { class: "num wide" }, usdText(idea.cost)),
      el("td", { class: "what" }, idea.title));
  }

  function draw() {
    const all = found(), pages = Math.max(1, Math.ceil(all.length / PAGE));
    state.page = Math.max(0, Math.min(state.page, pages - 1));
    body.replaceChildren(...all.slice(state.page * PAGE, (state.page + 1) * PAGE).map(row));
    heads.forEach((head, i) => head.setAttribute("aria-sort", columns[i].key !== state.sort ? "none" : state.down ? "descending" : "ascending"));
    count.textContent = all.length === campaign.ideas.length ? plural(all.length, "idea") : `${all.length} of ${plural(campaign.ideas.length, "idea")}`;
    where.textContent = `page ${state.page + 1} of ${pages}`;
    before.disabled = state.page === 0;
    after.disabled = state.page === pages - 1;
    pager.hidden = pages === 1;
  }
  const pager = el("div", { class: "tools pages" }, before, where, after);
  const table = el("table", { class: "ideas", "aria-label": "ideas" }, el("thead", null, el("tr", null, heads)), body);
  draw();
  return el("section", { class: "card table", "aria-label": "all ideas" },
    el("h2", null, "Ideas"), el("div", { class: "tools" }, search, filter, count),
    el("div", { class: "scroll" }, table), pager,
    el("p", { class: "soft" }, "Gains with their standard errors; ~ marks one within twice its error. What failed has no score."));
}
