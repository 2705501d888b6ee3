"""A small book printed: its contents name the pages."""

import re

from pypdf import PdfReader

from tools import pdf

TOC = "root: index\nparts: [{caption: First, chapters: [{file: one.ipynb}, {file: two.ipynb}]}]\n"
MATH = "<script>window.MathJax = { startup: { promise: Promise.resolve() } }</script>"
PAGE = '<head>{head}</head><article class="bd-article"><h1>Title {name}</h1><p>{text}</p></article>'
STYLE = "<style>section { break-before: page }</style></head>"


def test_contents_name_the_pages(tmp_path, browser):
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "_config.yml").write_text("title: A\nauthor: Someone\n")
    for name, text in {"index": "", "one": "word " * 3000, "two": ""}.items():
        (tmp_path / f"{name}.html").write_text(PAGE.format(head=MATH, name=name, text=text))
    text = re.sub("<img[^>]*>", "", pdf.document(tmp_path, tmp_path)).replace("</head>", STYLE)
    (tmp_path / "sheet.html").write_text(text)
    page = browser.new_page()
    pdf.printed(page, (tmp_path / "sheet.html").as_uri(), tmp_path / "book.pdf")
    page.close()
    texts = [sheet.extract_text() for sheet in PdfReader(tmp_path / "book.pdf").pages]
    contents = next(text for text in texts if "Contents" in text)
    starts = [
        texts.index(next(text for text in texts if text.startswith(f"Title {name}"))) + 1 for name in ("one", "two")
    ]
    assert starts[1] - starts[0] > 1
    assert [int(number) for number in re.findall(r"Title (?:one|two)\s*(\d+)", contents)] == starts
