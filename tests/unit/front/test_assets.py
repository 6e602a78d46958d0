"""The page's files and their addresses."""

import gzip
import re
from pathlib import Path

import pytest

from apps.front.assets import ENTRY, FOLDERS, STYLE, assets_read
from tests.architecture.sources import ROOT

SCRIPTS = ROOT / "static" / FOLDERS[0]


def made(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = tmp_path / FOLDERS[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_digest_changes_with_any_name_or_byte(tmp_path: Path) -> None:
    first = assets_read(made(tmp_path / "1", {"a.js": "one", "b.js": "two"})).digest
    assert assets_read(made(tmp_path / "2", {"a.js": "one", "b.js": "two"})).digest == first
    others = [
        {"a.js": "one", "b.js": "twO"},
        {"a.js": "one", "c.js": "two"},
        {"a.js": "onet", "b.js": "wo"},
        {"a.js": "one"},
    ]
    digests = {
        assets_read(made(tmp_path / f"other-{number}", files)).digest
        for number, files in enumerate(others)
    }
    assert len(digests | {first}) == 5


def test_only_files_of_known_types_are_served(tmp_path: Path) -> None:
    root = made(tmp_path, {"a.js": "a" * 500, "LICENSE": "b", "README.md": "c", "d.css": "d"})
    files = assets_read(root).files
    assert list(files) == [f"{FOLDERS[0]}/a.js", f"{FOLDERS[0]}/d.css"]
    script, style = files.values()
    assert script.content_type == "text/javascript; charset=utf-8"
    assert script.gzipped is not None
    assert gzip.decompress(script.gzipped) == b"a" * 500
    assert style.gzipped is None


def test_the_page_s_own_files_are_there() -> None:
    assets = assets_read(ROOT / "static")
    assert assets.url(ENTRY) == f"/assets/{assets.digest}/{ENTRY}"
    assert assets.url(STYLE) == f"/assets/{assets.digest}/{STYLE}"
    with pytest.raises(AssertionError, match="no asset"):
        assets.url("quantatrade/console.css")
    assert len([url for url in assets.module_urls if "lightweight-charts" in url]) == 1


def test_what_is_vendored_comes_with_its_licence_and_notice() -> None:
    (folder,) = (ROOT / "static/vendor/lightweight-charts").iterdir()
    assert "Apache License" in (folder / "LICENSE").read_text()
    notice = (folder / "NOTICE").read_text().split()
    page = (ROOT / "templates/trade.html").read_text()
    for word in notice:  # its licence asks for the notice and the link on the page
        assert word in page


def test_no_script_of_the_page_makes_markup_code_or_styles_out_of_text() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|cssText"
        r"|setAttribute\(\"style|parseFloat|localStorage|document\.cookie"
    )
    found = [
        f"{path.name}: {match}"
        for path in sorted(SCRIPTS.glob("*.js"))
        for match in forbidden.findall(path.read_text())
    ]
    assert found == []
    assert (SCRIPTS / "main.js").exists()


def test_numbers_are_made_of_text_only_to_draw() -> None:
    users = {
        path.name for path in SCRIPTS.glob("*.js") if re.search(r"\bNumber\(", path.read_text())
    }
    # Candles, the width of a depth bar, basis points of the spread, and the 25 of "25 %".
    assert users == {"chart.js", "book_panel.js", "ticket.js"}
