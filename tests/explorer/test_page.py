"""The page in Chromium: map, click, outline, filters, decisions, two checkpoints, keys alone."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.browsing import (
    NEEDS_CHROMIUM,
    Page,
    near,
    serving,
    sync_api,
)
from kinsight.drawing.style import CATEGORIES
from kinsight.run import RunFolder, analyze
from report.tables import NAMES
from run.subjects import COUNT, network, subject

pytestmark = NEEDS_CHROMIUM
expect = sync_api.expect


@pytest.fixture(scope="module")
def other(tmp_path_factory, run: RunFolder) -> Path:
    """Another checkpoint over the same samples and labels."""
    model = network()
    with torch.no_grad():
        model[0].weight += 0.4 * torch.randn(1500, 6, generator=torch.Generator().manual_seed(1))
        labels = network()(subject().data).argmax(1)
    labels[[5, 17, 30]] = (labels[[5, 17, 30]] + 1) % 3
    place = tmp_path_factory.mktemp("runs") / "second"
    analyze(subject(model=model, labels=labels, classes=NAMES), place)
    return place


@pytest.fixture(scope="module")
def points(run: RunFolder) -> np.ndarray:
    table = run.table("map")
    places = [table[n].to_numpy(zero_copy_only=False).astype(float) for n in "xy"]
    return np.stack(places, 1)


def labels_of(run: RunFolder) -> list[str]:
    return run.table("samples")["label"].to_pylist()


def test_the_map_shows_every_class_in_its_colour(chromium, address: str, run: RunFolder) -> None:
    with Page(chromium, address) as page:
        picture = page.picture()
        counts = {name: labels_of(run).count(name) for name in NAMES}
        for name, colour in zip(sorted(counts), CATEGORIES, strict=False):
            assert near(picture, colour) > 10 * counts[name], name
        expect(page.page.locator(".map .caption")).to_contain_text("1 have no place")
        assert page.complaints == []
        assert {url.split("?")[0].startswith(address) for url in page.asked} == {True}


def test_names_are_text_and_never_markup(chromium, address: str) -> None:
    with Page(chromium, address, "?sample=5") as page:
        page.sample(5)
        legend = page.page.get_by_role("list", name="Legend: label").locator("bdi")
        assert set(legend.all_inner_texts()) == set(NAMES)
        assert page.page.locator("main i").count() == 0


def test_a_click_shows_the_neighbours_that_the_run_kept(
    chromium, address: str, run: RunFolder, points: np.ndarray
) -> None:
    with Page(chromium, address) as page:
        page.page.mouse.click(*page.place(points, 17))
        panel = page.sample(17)
        kept = run.table("neighbours").to_pylist()
        expected = [row["neighbour"] for row in kept if row["sample"] == 17]
        buttons = panel.locator(".list").first.locator(".near button")
        said = buttons.evaluate_all("found => found.map(b => b.ariaLabel)")
        assert [int(re.findall(r"sample (\d+)", one)[0]) for one in said] == expected
        assert panel.locator(".list").count() == 2  # the network's, and those of raw inputs
        assert "sample=17" in page.page.url


def test_an_outline_shows_the_samples_inside(
    chromium, address: str, points: np.ndarray
) -> None:  # fmt: skip
    finite = points[np.isfinite(points).all(1)]
    corners = np.quantile(finite, [0.2, 0.7], axis=0)
    expected = int(((finite > corners[0]) & (finite < corners[1])).all(1).sum())
    with Page(chromium, address) as page:
        page.map()
        everything = np.vstack([points, corners])
        ends = np.array([page.place(everything, len(points) + i) for i in (0, 1)])
        page.page.keyboard.press("l")
        page.page.mouse.move(*ends[0])
        page.page.mouse.down()
        for x, y in ((ends[1][0], ends[0][1]), ends[1], (ends[0][0], ends[1][1]), ends[0]):
            page.page.mouse.move(x, y, steps=4)
        page.page.mouse.up()
        page.shown(f"{expected} of {COUNT} samples")
        expect(page.page).to_have_url(re.compile("outline="))
        address_now = page.page.url
    with Page(chromium, address, address_now.removeprefix(f"{address}/")) as again:
        again.shown(f"{expected} of {COUNT} samples")


def test_filters_count_what_the_table_holds_and_ids_are_saved(
    chromium, address: str, run: RunFolder
) -> None:
    density = run.table("samples")["density"].to_numpy()
    least = round(float(np.median(density)), 3)
    label = NAMES[2]
    fits = (density >= least) & (np.array(labels_of(run)) == label)
    with Page(chromium, address, "?colour=density") as page:
        page.page.get_by_label("density from").fill(str(least))
        page.page.keyboard.press("Enter")
        page.shown(f"{int((density >= least).sum())} of {COUNT} samples")
        page.page.get_by_label("Colour by").select_option("label")
        page.page.get_by_role("button", name=re.compile(f"^{label}")).click()
        page.shown(f"{int(fits.sum())} of {COUNT} samples")
        with page.page.expect_download() as saved:
            page.page.get_by_role("button", name="Save these ids").click()
        rows = list(csv.reader(io.StringIO(Path(saved.value.path()).read_text())))
        assert [int(row[0]) for row in rows[1:]] == np.flatnonzero(fits).tolist()
        page.page.get_by_role("button", name="Clear filters").click()
        page.shown(f"all {COUNT} samples")


def test_search_finds_a_label_and_a_number(chromium, address: str, run: RunFolder) -> None:
    with Page(chromium, address) as page:
        page.page.keyboard.press("/")
        page.page.keyboard.type("zero")
        page.shown(f"{labels_of(run).count(NAMES[0])} of {COUNT} samples")
        page.page.get_by_role("searchbox").fill("17")
        page.shown(f"1 of {COUNT} samples")
        page.page.keyboard.press("Enter")
        page.sample(17)


def test_back_and_forward_lead_through_what_was_looked_at(chromium, address: str) -> None:
    with Page(chromium, address, "?sample=5&with=17") as page:
        page.sample(5)
        page.page.get_by_role("button", name="Loneliest").click()
        strip = page.page.get_by_role("region", name="Queue: Loneliest")
        strip.locator("ol button").first.click()
        expect(page.page).not_to_have_url(re.compile("sample=5&"))
        there = page.page.url
        page.page.go_back()
        page.page.go_back()
        expect(page.page).to_have_url(re.compile(r"\?sample=5&with=17$"))
        expect(page.page.locator(".why")).to_be_visible()
        page.page.go_forward()
        page.page.go_forward()
        expect(page.page).to_have_url(there)


def test_a_queue_is_worked_through_by_keys_alone(chromium, address: str) -> None:
    with Page(chromium, address) as page:
        keys = page.page.keyboard
        focused = "document.activeElement.innerText"
        for _ in range(60):
            keys.press("Tab")
            if "Suspected" in page.page.evaluate(focused):
                break
        keys.press("Enter")
        strip = page.page.get_by_role("region", name="Queue: Suspected labels")
        strip.locator("ol button").first.wait_for()
        ids = strip.locator("ol button").evaluate_all("found => found.map(b => b.ariaLabel)")
        first, second, third = (int(re.findall(r"\d+", one)[0]) for one in ids[:3])
        page.sample(first)
        keys.press("r")
        page.sample(second)
        keys.press("d")
        page.sample(third)
        keys.press("k")
        expect(strip).to_contain_text("3 decided")
        keys.press("u")
        expect(strip).to_contain_text("2 decided")
        page.page.reload()
        expect(strip).to_contain_text("2 decided")
        with page.page.expect_download() as saved:
            page.page.get_by_role("link", name="CSV").click()
        rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text())))
        assert {(int(r["sample"]), r["decision"]) for r in rows} == {
            (first, "relabel"), (second, "drop"),
        }  # fmt: skip
        for left in (1, 0):
            keys.press("u")
            expect(strip).to_contain_text(f"{left} decided")


def test_a_pair_is_explained_by_layers(chromium, address: str, run: RunFolder) -> None:
    row = run.table("explanations").to_pylist()[0]
    query = f"?sample={row['sample']}&with={row['other']}"
    with Page(chromium, address, query) as page:
        why = page.page.locator(".why")
        expect(why).to_contain_text(f"similarity {row['similarity']:.2f}")
        assert why.locator("canvas").count() == 2
        top = max(row["shares"], key=lambda share: abs(share["share"]))
        expect(why.locator(".bars li").first).to_contain_text(top["name"])


def test_two_checkpoints_side_by_side(chromium, run: RunFolder, other: Path) -> None:
    with serving(run.path, other) as address, Page(chromium, address) as page:
        for at in (0, 1):
            assert near(page.picture(at), CATEGORIES[0]) > 50
        page.page.get_by_role("button", name="Most changed").click()
        strip = page.page.get_by_role("region", name="Queue: Most changed")
        first = strip.locator("ol button").first.get_attribute("aria-label")
        panel = page.sample(int(re.findall(r"\d+", first or "")[0]))
        titles = panel.locator(".list h4 bdi").all_inner_texts()
        assert titles[:2] == ["all: the network", "second: the network"]
        page.page.get_by_label("Colour by").select_option("@shared")
        expect(page.page.locator(".explains")).to_contain_text("nearest")
        page.page.get_by_role("button", name="second").click()
        expect(page.page).to_have_url(re.compile("view=1"))
        assert page.complaints == []


def test_a_class_has_one_colour_though_one_network_never_says_another(
    chromium, run: RunFolder, tmp_path: Path
) -> None:
    model = network()
    with torch.no_grad():
        labels = model(subject().data).argmax(1)
        model[2].bias[0] = -1e3  # the first class is never said: those after it must not move up
    labels[[5, 17, 30]] = (labels[[5, 17, 30]] + 1) % 3
    analyze(subject(model=model, labels=labels, classes=NAMES), tmp_path / "fewer")
    with (
        serving(run.path, tmp_path / "fewer") as address,
        Page(chromium, address, "?colour=predicted") as page,
    ):
        found = []
        for view in ("all", "fewer"):
            page.page.get_by_role("button", name=view, exact=True).click()
            entries = page.page.get_by_role("list", name="Legend: prediction").locator("button")
            expect(entries).to_have_count(3 if view == "all" else 2)
            pairs = entries.evaluate_all(
                "all => all.map(b => [b.querySelector('bdi').innerText,"
                " b.querySelector('path').getAttribute('fill')])"
            )
            found.append(dict(pairs))
        assert {name: found[0][name] for name in found[1]} == found[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("query", ["", "?queue=suspected&colour=density&sample=5&with=17"])
def test_nobody_is_shut_out(chromium, address: str, scheme: str, query: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with Page(chromium, address, query, color_scheme=scheme) as page:
        page.map()
        page.page.wait_for_load_state("networkidle")
        found = axe.Axe().run(page.page)
        assert found.violations_count == 0, found.generate_report()
