"""Count what a machine can see of a page's language: habits of translated English, long paragraphs, unlinked terms.

Usage: python -m tools.language [book/gans/math ...]      (none: a table of all pages; of named ones, every place too)
"""

import argparse
import re
from functools import cache
from pathlib import Path

from tools.pages import ROOT, pages
from tools.prose import paragraphs, plain, sentences

LONGEST = 120  # words of a paragraph
_DIFFERENTIATE = r"(?:derivatives?|gradients?|slopes?|differentiat\w+)"
# Words after "by" that name a way to get a derivative, or a size, and not what it is taken with respect to.
_WAYS = (
    r"(?:hand|central|finite|gradient|backprop\w*|automatic|applying|going|moving|some|any|an?|its|about|adding"
    r"|computing|term|less|more|at|the (?:chain|score|reparam\w+)|JAX|each)"
)
RULES = {
    "by": rf"\b{_DIFFERENTIATE}(?: \S+){{0,5}}? by (?!{_WAYS}\b)",
    "and no": r",? and (?:no|not) (?!more\b)(?:an? |the |one )?[\w-]+(?: [\w-]*(?<!s))?(?=[.;:,)])",
    "source": r"(?<!name )\b[Tt]he (?:web )?(?:article|source|tutorial)(?:'s)?\b(?! (?:code|text)| of (?:this|the))",
    "idiom": (
        r"\bas (?:\w+ )?(?:\w+) has it\b|opens by itself|\bmakes? of the place\b|\b[Mm]ind (?:who|what|how|that)\b"
        r"|\bstands? (?:in(?! the way| for)|on|at|below|above|beside|there|here)\b|(?<![Ww]e )\bshall\b"
    ),
    "law": r"\b[Ll]aws?\b(?! of (?:total|large|the unconscious))",
    "pile": r"\b[Pp]iles?\b",
    "slope": r"\b[Ss]lopes?\b",
    "picture": r"\b[Pp]ictures?\b",
    "program": r"\b[Pp]rograms?\b",
    "draw": r"\b(?:an?|the|each|every|one|random|fresh|single|of) draws?\b|\bdraws of\b",
    "numbers": r"\b(?:\d+|two|three|four|eight|ten|sixteen|thirty|thirty-two|fifty|few|many|more) numbers\b",
    "judge": r"\b(?:an?|the|its|each|other|another|of|one|same|best|own|good) judge\b|\b(?:the|other|two|of) judges\b",
}
# What, before a habit in its sentence, makes it none: "no error and no warning" is a list.
EXCUSES = {"and no": re.compile(r"\bno\b")}
COUNTED = (*RULES, "fragment", "long", "terms")
JOINT = re.compile(r"^(?:And|But|Or|Not|No|Nor|Only|Nothing|Hence|Also|So) ")
VERB = re.compile(
    r"\b(?:is|are|was|were|am|be|been|has|have|had|do|does|did|can|cannot|could|will|would|may|might|must|should|need"
    r"|let|\w+(?:es|ed|s|n't))\b"
)


def is_fragment(sentence):
    """Return whether a short sentence is a question, or one without a verb, that joins its neighbours.

    Parameters
    ----------
    sentence : str
        A sentence as a reader sees it.

    Notes
    -----
    No grammar is parsed: a word that ends in *s* or *ed* counts as a verb, so some fragments go unnoticed.
    """
    count = len(sentence.split())
    if sentence.endswith("?"):
        return count <= 5 and '"' not in sentence  # in quotation marks it is a heading
    return sentence.endswith(".") and count <= 6 and bool(JOINT.match(sentence)) and not VERB.search(sentence)


def habits(text):
    """Return what a page shows of each habit.

    Parameters
    ----------
    text : str
        The source of the page.

    Returns
    -------
    dict
        Name of a habit → list of (line, words).
    """
    found = {name: [] for name in (*RULES, "fragment", "long")}
    for part in paragraphs(text):
        said = plain(part.raw)
        for name, words in hits(said):
            found[name].append((part.line, words))
        if part.kind != "alt":
            found["fragment"] += [(part.line, sentence) for sentence in sentences(said) if is_fragment(sentence)]
        if part.kind == "text" and len(said.split()) > LONGEST:
            found["long"].append((part.line, f"{len(said.split())} words"))
    return found


def hits(text):
    """Yield name and words of each habit in a text that `plain` returned."""
    for sentence in sentences(text):
        for name, rule in RULES.items():
            for match in re.finditer(rule, sentence):
                if name not in EXCUSES or not EXCUSES[name].search(sentence[: match.start()]):
                    yield name, match[0]


# The terms of the glossary

ROLES = re.compile(r"\{term\}`([^`]+)`")
BOLD = re.compile(r"\*\*((?:(?!\*\*).)+)\*\*")


def entries(glossary):
    """Return the English terms of each entry.

    Parameters
    ----------
    glossary : str
        The source of the glossary.

    Returns
    -------
    list of list of str
        The names of one entry each.
    """
    blocks = re.findall(r"^```\{glossary\}\n(.+?)^```$", glossary, re.MULTILINE | re.DOTALL)
    named = [entry.splitlines() for block in blocks for entry in block.strip().split("\n\n")]
    return [[name for name in lines if not re.search(r"^  |[\u4e00-\u9fff]", name)] for lines in named]


@cache
def spelled(term):
    """Return a pattern that finds a term, in the plural too, and with the article of another word before it."""
    words = re.escape(re.sub(r" \(.+\)$", "", term)).replace(r"\ ", r"[ -]")
    ending = "(?:s|es)?" if words[-1].isalpha() else ""
    if words.endswith("y"):
        words, ending = words[:-1], "(?:y|ies)"
    # An abbreviation or a name keeps its capitals; a word may begin a sentence.
    first = words if words[0].isupper() else f"[{words[0].upper()}{words[0]}]{words[1:]}"
    return re.compile(rf"(?<![\w-]){first}{ending}(?![\w-])")


def unlinked(text, glossary, plain_words=()):
    """List the terms that a page uses before it links or defines them.

    Parameters
    ----------
    text : str
        The source of the page.
    glossary : list of list of str
        From `entries`.
    plain_words : collection of str
        First names of entries whose words are plain English, too.

    Returns
    -------
    list of tuple
        (line, term) of the first use. It is no fault in a paragraph that links the term or prints it in bold to define
        it, nor in the box that opens a chapter, in captions and in longer terms.
    """
    known = {name.casefold(): i for i, names in enumerate(glossary) for name in names}
    waiting = {i: names for i, names in enumerate(glossary) if names[0] not in plain_words}
    faults = []
    for part in paragraphs(text):
        for i in settled(part.raw, known, waiting):
            waiting.pop(i, None)
        for i in used(part.raw, glossary) if part.kind == "text" else ():
            if i in waiting:
                faults.append((part.line, waiting.pop(i)[0]))
    return faults


def settled(raw, known, waiting):
    """Return the numbers of the entries that a paragraph links, or defines in bold."""
    roles = [re.sub(r"^.*<(.+)>$", r"\1", role) for role in ROLES.findall(raw)]
    linked = {known[role.casefold()] for role in roles if role.casefold() in known}
    bold = " | ".join(BOLD.findall(raw))
    return linked | {i for i, names in waiting.items() if any(spelled(name).search(bold) for name in names)}


def used(raw, glossary):
    """Return the numbers of the entries whose words a paragraph has in its text, longest terms first."""
    said, found = re.sub(r'"[^"]*"', "_", plain(raw)), []  # what is quoted is a heading, or said by others
    for name, i in sorted(((name, i) for i, names in enumerate(glossary) for name in names), key=lambda x: -len(x[0])):
        said, count = spelled(name).subn("_", said)
        found += [i] * (count > 0)
    return found


# First names of the entries whose words a page may use without a link, and why.
PLAIN_WORDS = {
    # The subject of the book, which the front page explains.
    "autoencoder",
    "generative adversarial network",
    # What the front page asks of a reader, or every chapter after the first needs.
    "gradient",
    "loss",
    "weight",
    # Plain English, programming or probability too, so that a use of the word need not mean the entry.
    "claim",
    "code",
    "density (of samples)",
    "features",
    "floor",
    "head",
    "kernel",
    "key",
    "mask",
    "precision",
    "recall",
    "score",
    "sensitivity",
    "spread",
    "state",
    "style",
    "variable",
}


def sources():
    """Return the name of each page, such as ``gans/math``, and its source, in reading order."""
    named = {page.with_suffix("").relative_to("book").as_posix(): page.with_suffix(".md") for page in pages()}
    return {name: (ROOT / path).read_text(encoding="utf-8") for name, path in named.items()}


def counts(page, texts):
    """Return what `habits` finds on a page and, of a chapter, the terms that it uses before it links them.

    Parameters
    ----------
    page : str
        Its name, such as ``gans/math``.
    texts : dict
        Name → source of all pages.
    """
    found = habits(texts[page])
    chapter = page.split("/")[0] not in ("index", "appendix")
    glossary = entries(texts["appendix/glossary"])
    return found | {"terms": unlinked(texts[page], glossary, PLAIN_WORDS) if chapter else []}


def main(arguments=None):
    """Print how often each page has each habit and, of pages that are named, where."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", type=Path, help="such as book/gans/math")
    named = [page.with_suffix("").as_posix().removeprefix("book/") for page in parser.parse_args(arguments).pages]
    texts = sources()
    if unknown := [page for page in named if page not in texts]:
        parser.error(f"pages: got {', '.join(unknown)}, expected pages of _toc.yml, such as book/gans/math.")
    found = {page: counts(page, texts) for page in named or texts}
    print(" " * 35, *(f"{name:>8}" for name in COUNTED))
    for page, of_page in found.items():
        print(f"{page:35}", *(f"{len(of_page[name]):8}" for name in COUNTED))
        places = [(*place, name) for name in COUNTED if named for place in of_page[name]]
        for line, words, name in sorted(places):
            print(f"{line:9}  {name}: {words}")
    print(f"{'total':35}", *(f"{sum(len(of_page[name]) for of_page in found.values()):8}" for name in COUNTED))


if __name__ == "__main__":
    main()
