"""The report's page in a real Chromium: read, clicked, searched, sorted, attacked, and timed."""

# pyright: reportMissingImports=false
# (an environment that was made before playwright was asked for type-checks all else)

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from airr.records import row_of
from tests.builders import failed, idea, scored
from tests.reporting.ledgers import HOSTILE, campaign, large, repeated, screened, small, trained

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPENS_WITHIN_SECONDS = 3.0


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    assert found, "the page is tested in a real browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Reader:
    """A page as a reader sees it, with all that it asked the network for or complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_inner_texts()

    def ids(self) -> list[str]:
        return self.texts("table.ideas tbody td.id")


@contextmanager
def reading(browser: Browser, file: Path, at: str = "", width: int = 1280) -> Generator[Reader]:
    """Open a report; whatever is done with it, it is silent and stays by itself."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    reader = Reader(page)
    page.on("request", lambda request: reader.requests.append(request.url))
    page.on("console", lambda message: reader.complaints.append(message.text))
    page.on("pageerror", lambda error: reader.complaints.append(str(error)))
    page.goto(f"{file.as_uri()}{at}")
    yield reader
    assert reader.complaints == []
    assert {url.partition("#")[0] for url in reader.requests} == {file.as_uri()}
    page.close()


def written(cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "airr.report", *arguments],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    small(folder / "runs" / "x")
    assert "runs/x/report.html" in written(folder, "campaign=runs/x")
    return folder / "runs" / "x" / "report.html"


def test_the_headline_says_what_the_ledger_says(browser: Browser, report: Path):
    with reading(browser, report) as reader:
        headline = reader.texts("section[aria-label=headline]")[0]
        for told in ("1.8000 ± 0.0100", "e01-i000", "+0.2000", "[+0.1717,\xa0+0.2283]", "7.0"):
            assert told in headline
        assert "2 better" in headline
        assert "$2.40 + unknown" in headline
        assert reader.page.locator("main svg").count() == 4
        assert "− 1 no patch" in reader.texts(".funnel")[0]


def test_the_table_is_searched_filtered_and_sorted_and_failures_stay_last(
    browser: Browser, report: Path
):
    with reading(browser, report) as reader:
        page = reader.page
        best_first = ["e01-i000", "e00-i000", "e00-i002", "e01-i001"]
        assert reader.ids()[:4] == best_first
        page.get_by_role("button", name="val_loss").click()
        assert reader.ids()[:4] == best_first
        page.get_by_role("button", name="val_loss").click()
        assert reader.ids()[:4] == best_first[::-1], "and what has no score is still below"
        assert page.locator("th[aria-sort=descending]").inner_text() == "val_loss"
        page.get_by_label("Search ideas").fill("no_patch")
        assert reader.ids() == ["e00-i003"]
        page.get_by_label("Search ideas").fill("")
        page.get_by_label("Outcome").select_option("withheld")
        assert reader.ids() == ["e01-i002"]
        cells = reader.texts("table.ideas tbody td.num")
        assert cells[:2] == ["", ""], "a score that nobody believes is not shown as one"


def test_without_a_baseline_the_best_scores_are_on_top_and_no_gain_is_shown(
    browser: Browser, tmp_path: Path
):
    scores = [scored("e00-i000", 1.9), scored("e00-i001", 1.7), failed("e00-i002")]
    campaign(tmp_path / "runs" / "x", [*map(idea, range(3)), *map(row_of, scores)])
    written(tmp_path, "campaign=x")
    with reading(browser, tmp_path / "runs" / "x" / "report.html") as reader:
        assert reader.ids() == ["e00-i001", "e00-i000", "e00-i002"]
        assert "gain" not in reader.texts("table.ideas thead")[0]
        assert "best, e00-i001" in reader.texts("section[aria-label=headline]")[0]


def test_what_a_policy_learned_has_a_table_of_its_own(
    browser: Browser, report: Path, tmp_path: Path
):
    trained(tmp_path / "runs" / "x")
    written(tmp_path, "campaign=runs/x")
    with reading(browser, tmp_path / "runs" / "x" / "report.html") as reader:
        first, second = reader.texts("table[aria-label=policy] tbody tr")
        assert first.split()[:6] == ["1", "0.2572", "0.5144", "50", "%", "0.5263"]
        assert first.split("\t")[-3:] == ["0.500", "0.125", "40 s + 5 s"]
        assert "0.500" not in second
    with reading(browser, report) as reader:
        assert not reader.texts("table[aria-label=policy]")


def test_a_screen_has_a_section_with_its_rungs_and_each_idea_that_has_both_scores(
    browser: Browser, report: Path, tmp_path: Path
):
    screened(tmp_path / "runs" / "x")
    written(tmp_path, "campaign=runs/x")
    with reading(browser, tmp_path / "runs" / "x" / "report.html") as reader:
        assert [row.split("\t") for row in reader.texts("table[aria-label=screen] tbody tr")] == [
            ["10 % of the budget", "0.9", "8", "1", "2", "5", "0", "+0.50 (3 pairs, p = 1)"],
            ["30 % of the budget", "0.6", "5", "0", "1", "3", "1", "+1.00 (3 pairs, p = 0.33)"],
        ]
        chart = reader.page.get_by_role("img", name="with 10 % of the budget")
        told = [one.text_content() for one in chart.locator("a").all()]
        assert told[0] == "e00-i000: 3.0000 in the screen, 1.9000 ± 0.0100 in full"
        assert (len(told), chart.locator(".tick").count()) == (3, 3)
        titles = [one.text_content() for one in chart.locator("line.base").all()]
        assert titles == ["baseline: 3.1500", ""]
    with reading(browser, report) as reader:
        assert not reader.texts("section[aria-label=screens]")


def test_an_idea_is_read_with_its_diff_curve_log_and_relatives(browser: Browser, report: Path):
    with reading(browser, report) as reader:
        page = reader.page
        page.locator("table.ideas a", has_text="e00-i000").click()
        page.locator("pre.diff").wait_for()
        assert page.locator("pre.diff .add").inner_text() == "+width = 128"
        assert page.locator("pre.diff .del").inner_text() == "-width = 64"
        assert page.locator("path.curve").count() == 1
        assert "step 19/20" in page.locator("pre.tail").inner_text()
        page.locator("main a", has_text="e01-i001").click()
        page.locator("h1", has_text="e01-i001").wait_for()
        assert "worse" in page.locator("main .figures").inner_text()
        page.go_back()
        page.go_back()
        page.locator("table.ideas").wait_for()


def test_everything_is_reached_by_the_keyboard(browser: Browser, report: Path):
    with reading(browser, report) as reader:
        page = reader.page
        page.get_by_label("Search ideas").focus()
        page.keyboard.type("e01-i000")
        page.locator("table.ideas tbody a").focus()
        page.keyboard.press("Enter")
        page.locator("h1", has_text="e01-i000").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "↑ x", "focus is in the view"


def test_what_a_model_wrote_stays_text(browser: Browser, report: Path):
    with reading(browser, report, "#/0/e00-i001") as reader:
        page = reader.page
        page.locator("pre.diff").wait_for()
        shown = page.locator(".prose").inner_text()
        assert '</script><script>window.hacked = 1</script><img src="https://evil.example' in shown
        assert "<!-- <b>bold</b> ⟨U+202E⟩" in shown, "nor does it turn the line around"
        assert "<script>window.hacked = 3" in page.locator(".why").inner_text()
        assert page.evaluate("window.hacked") is None
        assert page.locator("main img, main b b, main script").count() == 0
    assert "evil.example" in HOSTILE


def test_the_page_forbids_what_it_does_not_need(browser: Browser, report: Path):
    """Were text ever taken for markup, the policy would still run none of it and load nothing."""
    page = browser.new_page()
    page.goto(report.as_uri())
    with listening() as (address, met):
        page.evaluate(
            """address => {
              const script = document.createElement("script");
              script.textContent = "window.hacked = 1";
              document.body.append(script);
              document.body.insertAdjacentHTML("beforeend",
                `<img src="${address}/image" onerror="window.hacked = 2">`);
            }""",
            address,
        )
        sent = "address => fetch(address, {mode: 'no-cors'}).then(() => 'sent', () => 'refused')"
        assert page.evaluate(sent, f"{address}/fetch") == "refused"
        page.wait_for_timeout(200)
    assert met == []
    assert page.evaluate("window.hacked") is None
    page.close()


@contextmanager
def listening() -> Generator[tuple[str, list[str]]]:
    """Have a server beside the body; yield its address, and what it was asked for until now."""
    met: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            met.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", met
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("at", ["", "#/0/e00-i000"])
def test_on_a_phone_nothing_hangs_over_the_edge(
    browser: Browser, report: Path, scheme: str, at: str
):
    with reading(browser, report, at, width=360) as reader:
        reader.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        reader.page.locator("main .figures").wait_for()
        over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert reader.page.evaluate(over) == 0
        ground = reader.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(20, 23, 26)" if scheme == "dark" else "rgb(247, 247, 245)")


def test_campaigns_stand_side_by_side_in_one_report(browser: Browser, tmp_path: Path):
    small(tmp_path / "runs" / "x")
    small(tmp_path / "runs" / "y")
    assert "both.html" in written(tmp_path, "campaign=runs/*", "output=both.html")
    with reading(browser, tmp_path / "both.html") as reader:
        assert [row.split()[0] for row in reader.texts("tbody tr")] == ["x", "y"]
        assert reader.page.locator("path.curve").count() == 4
        reader.page.locator("tbody a", has_text="y").click()
        reader.page.locator("table.ideas").wait_for()
        assert reader.texts("header a[aria-current]") == ["y"]
    with reading(browser, tmp_path / "both.html", width=360) as reader:
        scroll = reader.page.locator(".scroll").first
        assert scroll.evaluate("one => one.scrollWidth - one.clientWidth") == 0, "on a phone too"
        named = "one => getComputedStyle(one, '::before').content"
        assert reader.page.locator("[data-head=gain]").first.evaluate(named) == '"gain"'


def test_curves_that_lie_on_each_other_are_both_to_be_seen(browser: Browser, tmp_path: Path):
    for name in ("x", "y"):
        small(tmp_path / "runs" / name)
    repeated(tmp_path / "runs" / "z")
    written(tmp_path, "campaign=runs/*", "output=all.html")
    with reading(browser, tmp_path / "all.html") as reader:
        widths = reader.page.evaluate(
            "[...document.querySelectorAll('svg')].map(chart => "
            "[...chart.querySelectorAll('.curve')].map(c => +c.getAttribute('stroke-width')))"
        )
        assert len(widths) == 2
        for chart in widths:
            assert chart == sorted(chart, reverse=True)
            assert chart[0] > chart[1] >= 2, "the one below is wider than the one that covers it"
        legends = reader.texts(".legend li")
        assert legends == ["x", "y, the same curve as x", "z"] * 2


def test_a_mean_of_seeds_says_so_wherever_it_stands(browser: Browser, tmp_path: Path):
    repeated(tmp_path / "runs" / "x")
    assert "1.8100 ± " in written(tmp_path, "campaign=x", "format=text")
    assert "(e01-i000, mean of 3 seeds)" in written(tmp_path, "campaign=x", "format=text")
    written(tmp_path, "campaign=x")
    with reading(browser, tmp_path / "runs" / "x" / "report.html") as reader:
        headline = reader.texts("section[aria-label=headline]")[0]
        assert "e01-i000, mean of 3 seeds" in headline
        assert "mean of 2 seeds" in headline
        page = reader.page
        assert page.get_by_role("button", name="seeds").count() == 1
        page.locator("table.ideas a", has_text="e01-i000").click()
        page.locator("table.seeds").wait_for()
        assert [row.split("\t") for row in reader.texts("table.seeds tbody tr")] == [
            ["the campaign's", "1.8000 ± 0.0100"],
            ["the campaign's + 1", "1.7900 ± 0.0100"],
            ["the campaign's + 2", "1.8400 ± 0.0100"],
        ]
        assert "mean of 3 seeds" in page.locator("main .figures").inner_text()


@pytest.mark.parametrize("at", ["", "#/0/e00-i000"])
def test_on_paper_nothing_is_cut_off_and_ink_is_dark(browser: Browser, report: Path, at: str):
    with reading(browser, report, at, width=720) as reader:
        page = reader.page
        page.emulate_media(media="print", color_scheme="dark")
        page.locator("main .figures").wait_for()
        if at:
            page.locator("pre.diff").wait_for()
        paper = page.evaluate("document.documentElement.clientWidth")
        right = "e => e.map(one => one.getBoundingClientRect().right)"
        ends = page.eval_on_selector_all("main *:not(svg *)", right)
        assert max(ends) <= paper
        cut = "e => e.filter(one => one.scrollWidth > one.clientWidth + 1).length"
        assert page.eval_on_selector_all(".scroll, pre, .card", cut) == 0
        ink = page.evaluate("getComputedStyle(document.querySelector('.fate, h1')).color")
        assert all(int(part) < 160 for part in ink.strip("rgb()").split(","))
        assert not page.locator("input").first.is_visible()
        assert len(page.pdf(format="A4")) > 10_000


@pytest.mark.long  # by the clock: on a machine that has nothing else to do
def test_five_thousand_ideas_open_in_three_seconds(browser: Browser, tmp_path: Path):
    large(tmp_path / "runs" / "big", 5000)
    written(tmp_path, "campaign=big")
    begun = time.monotonic()
    with reading(browser, tmp_path / "runs" / "big" / "report.html") as reader:
        page = reader.page
        page.locator("table.ideas tbody tr").first.wait_for()
        opened = time.monotonic() - begun
        assert opened < OPENS_WITHIN_SECONDS, f"{opened:.1f} s"
        assert page.locator("table.ideas tbody tr").count() == 50
        page.get_by_label("Search ideas").fill("Idea 4321.")
        assert len(reader.ids()) == 1
        page.locator("table.ideas tbody a").click()
        page.locator("pre.diff").wait_for()
        assert "+line = 4321" in page.locator("pre.diff").inner_text()


def test_the_verb_says_what_is_wrong_in_airrs_words(tmp_path: Path):
    small(tmp_path / "runs" / "x")

    def refused(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "airr.report", *arguments],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr

    assert "a report is html, json or text" in refused("format=pdf")
    assert "runs/none holds no campaign" in refused("campaign=none")
    assert "there is no folder away" in refused("output=away/report.html")
    assert '"best": "e01-i000"' in written(tmp_path, "campaign=[x]", "format=json")
