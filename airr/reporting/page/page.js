// The data, and which view of it the address asks for: #/ all, #/0 a campaign, #/0/e00-i003 an idea.

const REPORT = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");
const scrolled = new Map();
let shownAt = null;

function route() {
  if (location.hash === "#main") return;
  if (shownAt !== null) scrolled.set(shownAt, window.scrollY);
  const [, place, id] = location.hash.split("/");
  const number = /^\d+$/.test(place || "") ? Number(place) : REPORT.campaigns.length === 1 ? 0 : null;
  const campaign = number === null ? null : REPORT.campaigns[number];
  let wanted = null;
  try { wanted = id ? decodeURIComponent(id) : null; } catch { wanted = null; }
  const found = campaign && wanted ? campaign.ideas.findIndex((idea) => idea.id === wanted) : -1;
  const view = !campaign ? compareView(REPORT) : found >= 0 ? ideaView(REPORT, number, found) : campaignView(REPORT, number);
  main.replaceChildren(...view.flat(Infinity).filter(Boolean));
  document.title = [found >= 0 && wanted, campaign && campaign.name, "airr"].filter(Boolean).map(visible).join(" \u00b7 ");
  for (const link of document.querySelectorAll("header nav a"))
    link.getAttribute("href") === (campaign ? address(number) : "#/") ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  const first = shownAt === null;
  shownAt = location.hash;
  window.scrollTo(0, found >= 0 ? 0 : scrolled.get(location.hash) || 0);
  if (!first) main.focus({ preventScroll: true });
}

function header() {
  const several = REPORT.campaigns.length > 1;
  document.getElementById("top").replaceChildren(
    el("a", { class: "brand", href: "#/" }, "airr"),
    several ? el("nav", { "aria-label": "campaigns" }, el("a", { href: "#/" }, "side by side"), REPORT.campaigns.map((c, i) => el("a", { href: address(i) }, c.name))) : "",
    el("span", { class: "made" }, `as it stood at ${REPORT.made_at}`));
  document.getElementById("foot").replaceChildren(el("p", null, `airr ${REPORT.airr_version}. This file loads nothing and sends nothing.`));
}

document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
let wide = narrow();
window.addEventListener("resize", () => { if (wide !== narrow()) { wide = narrow(); route(); } });
window.addEventListener("hashchange", route);
header();
route();
