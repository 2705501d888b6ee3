"""The linter of the book's language: what each rule finds, and the like of it that is good English."""

import pytest

from tools.language import PLAIN_WORDS, entries, habits, is_fragment, main, sources, unlinked
from tools.prose import paragraphs, plain, sentences

PAGE = """---
kernelspec:
  name: python3
---

# A heading with piles

```{admonition} Before you start
- **You need**: a generator, {doc}`../gans/math`.
```

One line,
and the next of {term}`logits <logit>` and $a < b$.

$$
a = b
$$

```{code-cell} ipython3
---
mystnb:
  figure:
    caption: Two
      piles.
  image:
    alt: Two heaps.
---
law = "judge"
```

| a table | piles |
| --- | --- |

1. An item {cite}`key`,
   of `law` and {glue:text}`number:.1f`.
2. Another by {cite:t}`key`.
"""
GLOSSARY = """
```{glossary}
discriminator
判别器
  Tells real from made. See {doc}`../gans/math`.

latent
  A number. See {doc}`../gans/math`.

latent walk
LW
  A path. See {doc}`../gans/math`.
```
"""


def test_paragraphs_leave_out_what_is_no_prose():
    parts = paragraphs(PAGE)
    assert [(part.line, part.kind) for part in parts] == [
        *[(9, "box"), (12, "text"), (20, "caption"), (20, "alt"), (34, "text"), (36, "text")],
    ]
    assert [plain(part.raw) for part in parts] == [
        "You need: a generator, X.",
        "One line, and the next of logits and X.",
        "Two piles.",
        "Two heaps.",
        "An item , of X and 0.",
        "Another by Author.",
    ]


@pytest.mark.parametrize(
    ("text", "mark"), [("---\na: 1\n", "---"), ("```python\na\n````", "```"), ("$$\na\n", r"\$\$")]
)
def test_what_is_not_closed_is_an_error(text, mark):
    with pytest.raises(ValueError, match=rf"^text: got '{mark}.*' in line 1, expected '{mark}' in a line below"):
        paragraphs(text)


def test_each_line_of_a_glossary_is_a_paragraph():
    assert [plain(part.raw) for part in paragraphs(GLOSSARY)][:2] == ["discriminator", "判别器"]
    assert {part.kind for part in paragraphs(GLOSSARY)} == {"entry"}


def test_sentences_end_where_a_new_one_begins():
    said = 'It is 0.5 of it, e.g. here. (Is it? "Yes.") It is.'
    assert sentences(said) == ["It is 0.5 of it, e.g. here.", "(Is it?", '"Yes.', "It is."]


EXAMPLES = {
    "by": ("the derivative by the slope", "the derivative with respect to x, by hand or by central differences"),
    "and no": ("It is a hope, and no law.", "There is no error and no warning, and no loss changes."),
    "source": ("The article's loop does not run.", "The source of the noise is an article of faith."),
    "idiom": ("The counter stands at 1.", "Something must stand in the way."),
    "law": ("a law of codes", "the law of total variance"),
    "pile": ("Two piles lie there.", "We compiled it."),
    "slope": ("The slopes vanish.", "The gradients vanish."),
    "picture": ("Each picture is grey.", "Each image is grey."),
    "program": ("The program fails.", "The programmer fails."),
    "draw": ("a random draw of ten", "The decoder draws ten."),
    "numbers": ("a code of 32 numbers", "a code of 32 dimensions"),
    "judge": ("another judge of images", "You judge images."),
}


@pytest.mark.parametrize("habit", EXAMPLES)
def test_a_habit_is_found_and_good_english_is_not(habit):
    bad, good = EXAMPLES[habit]
    assert [line for line, _ in habits(f"Text.\n\n{bad}")[habit]] == [3]
    assert habits(good)[habit] == []


@pytest.mark.parametrize("fragment", ["And the depth?", "Does it complain?", "No game.", "Not by itself."])
def test_a_fragment_is_found(fragment):
    assert is_fragment(fragment)
    assert habits(fragment)["fragment"] == [(1, fragment)]


@pytest.mark.parametrize(
    "sentence",
    ["Nothing is drawn.", "But it works.", "Which of the two networks is the better one?", 'See "Is it supervised?'],
)
def test_a_sentence_is_no_fragment(sentence):
    assert not is_fragment(sentence)


def test_a_paragraph_is_long_from_121_words_on():
    assert habits("word " * 121)["long"] == [(1, "121 words")]
    assert habits("word " * 120)["long"] == []
    assert habits("- " + "word " * 120 + "\n- " + "word " * 120)["long"] == []


def test_entries_are_read_without_their_chinese_names():
    assert entries(GLOSSARY) == [["discriminator"], ["latent"], ["latent walk", "LW"]]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("Discriminators differ.", [(1, "discriminator")]),
        ("A {term}`discriminator` is one.\n\nDiscriminators differ.", []),
        ("Discriminators differ.\n\nA {term}`discriminator` is one.", [(1, "discriminator")]),
        ("A **discriminator** is a network.\n\nIt is a discriminator.", []),
        ("A walk, {term}`LW`, and a latent walk.", []),
        ("A latent walk.", [(1, "latent walk")]),
        ("`latent` and $latent$", []),
        ('See {doc}`../gans/math`, "A latent".', []),
        ("## A latent\n\n```python\nlatent = 0\n```", []),
        ("```{admonition} Before you start\n- latent\n```\n\nThe latent.", [(5, "latent")]),
    ],
)
def test_a_term_is_linked_or_defined_where_it_is_used_first(text, faults):
    assert unlinked(text, entries(GLOSSARY)) == faults


def test_a_plain_word_needs_no_link():
    assert unlinked("A latent.", entries(GLOSSARY), {"latent"}) == []


def test_plain_words_are_first_names_of_entries():
    assert {names[0] for names in entries(sources()["appendix/glossary"])} >= PLAIN_WORDS


def test_main_prints_a_table_and_the_places_of_named_pages(capsys):
    main(["book/appendix/status.md"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in (lines[0], lines[1], lines[-1])] == ["by", "appendix/status", "total"]


def test_a_page_that_does_not_exist_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["book/gans/mth"])
    assert "pages: got gans/mth, expected pages of _toc.yml" in capsys.readouterr().err
