"""pytest plugin for the nbval run: sums each notebook's time, and fails the notebook that is over its budget."""

from collections import Counter

import pytest

seconds = Counter()


def pytest_addoption(parser):
    """Let a slow machine ask for more: pytest -p tools.nbval_budget --notebook-seconds 180."""
    parser.addoption("--notebook-seconds", type=float, default=90, help="time budget of a notebook")


class Budget(pytest.Item):
    """A test after a notebook's last cell; what it did until then is its time, kernel start included."""

    def runtest(self):
        """Fail when the notebook took longer than --notebook-seconds."""
        used, budget = seconds[notebook(self)], self.config.getoption("notebook_seconds")
        if used > budget:
            pytest.fail(f"{notebook(self)} took {used:.1f} s, its budget is {budget:g} s", pytrace=False)

    def reportinfo(self):
        """Name this test in reports."""
        return self.path, None, "time budget"


def notebook(node):
    """Return the notebook's path, as pytest names it, of an item or a report."""
    return node.nodeid.split("::")[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put a `Budget` after the last cell of each notebook."""
    last = {notebook(item): item for item in items}
    for item in last.values():
        items.insert(items.index(item) + 1, Budget.from_parent(item.parent, name="time-budget"))


def pytest_runtest_logreport(report):
    """Add one phase of one cell to its notebook's time."""
    seconds[notebook(report)] += report.duration


def pytest_terminal_summary(terminalreporter, config):
    """Print the notebooks' times."""
    budget = config.getoption("notebook_seconds")
    terminalreporter.section(f"notebook times (budget {budget:g} s)")
    for name, used in seconds.items():
        terminalreporter.line(f"{used:7.1f} s  {name}")
