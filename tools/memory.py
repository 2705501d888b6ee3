"""Run chapters through a Jupyter server, as on Binder, and say how much memory server and kernel together had at most.

Usage: python -m tools.memory [gans/math ...]      (none: every chapter)

Where systemd lets a user limit memory, server and kernel run under the limit; elsewhere their resident memory is
watched, and they are killed when it is more.
"""

import argparse
import asyncio
import atexit
import contextlib
import functools
import json
import math
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from unittest import mock

import nbformat
import psutil
from jupyter_server.gateway import managers
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.services.kernels.connection.base import deserialize_binary_message
from nbclient import NotebookClient
from tqdm import tqdm

from tools import gpu
from tools.colab import EDITION, find
from tools.execute import SECONDS_PER_CELL
from tools.pages import ROOT

GIB = 2**30
LIMIT = 1.8  # GiB, of server and kernel together; Binder gives 2
BOUND = 1.3  # of a kernel
SECONDS_BETWEEN = 0.2  # looks at the memory
START = 60  # seconds that a server may take to answer
OPTIONS = ("--no-browser", "--allow-root", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True")


@functools.cache
def limited(limit):
    """Return the beginning of a command that runs the rest under a limit in GiB; empty where there is no such thing."""
    properties = (f"--property=MemoryMax={int(limit * GIB)}", "--property=MemorySwapMax=0")
    command = ["systemd-run", "--user", "--scope", "--quiet", *properties]
    if not shutil.which(command[0]) or subprocess.run([*command, "true"], capture_output=True).returncode:
        return []
    return command


def free_port():
    """Return a port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(address, data=None):
    """Send a request to the server, a PUT where there is data; return the answer's bytes."""
    body = None if data is None else json.dumps(data).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, body, headers, method="GET" if data is None else "PUT")
    with urllib.request.urlopen(request, timeout=START) as answer:
        return answer.read()


@contextlib.contextmanager
def server(folder, limit=LIMIT):
    """Run a JupyterLab server in a folder.

    Yields
    ------
    tuple of psutil.Process and str
        The server and its address.
    """
    port = free_port()
    options = [*OPTIONS, f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    command = [*limited(limit), sys.executable, "-m", "jupyter", "lab", *options]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address, watched = f"http://127.0.0.1:{port}", psutil.Process(process.pid)
    try:
        wait_for(address, process)
        yield watched, address
    finally:
        kill(watched)
        process.wait()


def wait_for(address, process):
    """Wait until the server answers; raise a RuntimeError when it does not."""
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            return ask(f"{address}/api/status")
        time.sleep(SECONDS_BETWEEN)
    raise RuntimeError(f"the Jupyter server did not answer within {START} s")


def family(process):
    """Return a process and those that it started, directly or not, as far as they live."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def size(process):
    """Return the GiB of a process; what it shares with others counts in part, where the system tells (Linux)."""
    with contextlib.suppress(psutil.Error):
        memory = process.memory_full_info()
        return getattr(memory, "pss", memory.rss) / GIB
    return 0.0  # it has just ended


def kill(process):
    """End a process and those that it started."""
    for one in family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


class Watch:
    """What a server and its kernel need, looked at again and again.

    Parameters
    ----------
    process : psutil.Process
        The server.
    """

    def __init__(self, process):
        self.process, self.peaks = process, Counter()
        self.most, self.cell, self.now = 0, "", ""  # the sum at its largest, in which cell, and the cell that runs

    def enter(self, cell):
        """Note the first line of a cell that begins."""
        self.now = cell

    def look(self):
        """Add what they have now; return the sum in GiB."""
        sizes = {one.pid: size(one) for one in family(self.process)}
        self.peaks |= Counter(sizes)
        total = sum(sizes.values())
        if total > self.most:
            self.most, self.cell = total, self.now
        return total

    @property
    def server(self):
        """The server's peak in GiB."""
        return self.peaks[self.process.pid]

    @property
    def kernel(self):
        """The peak in GiB of what the server started."""
        return max([peak for pid, peak in self.peaks.items() if pid != self.process.pid], default=0.0)


def make_client(notebook, address, bar, started):
    """Return a client whose kernel is one of the server's, and which tells `started` the first line of each cell."""
    GatewayClient.clear_instance()
    # Its connection ends when it hears nothing for so long, 40 s by default.
    GatewayClient.instance(url=address, request_timeout=SECONDS_PER_CELL)
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        allow_errors=True,
        store_widget_state=True,
        on_cell_execute=lambda cell, **_: started(cell.source.partition("\n")[0]),
        on_cell_complete=lambda **_: bar.update(),
    )
    client.km = managers.GatewayKernelManager(kernel_name="python3")
    return client


def decode(message):
    """Return a message as objects; one with buffers, as figures send, comes in a binary form."""
    message = message.encode() if isinstance(message, str) else message
    return deserialize_binary_message(message) if message.startswith(b"\0") else json.loads(message)


@mock.patch.object(managers, "json_decode", decode)  # the gateway's client cannot read the binary form
async def execute(client, watch, limit):
    """Execute a notebook, and look at the memory meanwhile.

    Returns
    -------
    list of str
        What went wrong, but for what the cells raised, which their outputs hold.
    """
    work = asyncio.create_task(client.async_execute())
    while not work.done():
        if watch.look() > limit:
            kill(watch.process)
            work.cancel()
            await asyncio.wait([work], timeout=START)
            atexit.unregister(client._cleanup_kernel)  # there is none left to clean up
            return [f"killed at {watch.most:.2f} GiB, more than {limit:g}   in the cell {watch.cell!r}"]
        await asyncio.wait([work], timeout=SECONDS_BETWEEN)
    error = work.exception()
    return [f"{type(error).__name__}: {error}".splitlines()[0]] if error else []


def visit(file, limit=LIMIT):
    """Open a notebook in a server of its own, run it to its end and save it there, as a reader does.

    Returns
    -------
    tuple of NotebookNode, Watch and list of str
        The executed notebook, the memory, and what went wrong beside what cells raised.
    """
    notebook = nbformat.read(file, as_version=4)
    bar = tqdm(total=sum(cell.cell_type == "code" for cell in notebook.cells), desc=file.stem, unit="cell")
    with bar, tempfile.TemporaryDirectory() as folder, server(folder, limit) as (process, address):
        shutil.copy(file, folder)
        watch, place = Watch(process), f"{address}/api/contents/{file.name}"
        for page in (f"{address}/lab/tree/{file.name}", place):
            ask(page)
        errors = asyncio.run(execute(make_client(notebook, address, bar, watch.enter), watch, limit))
        if not errors:
            ask(place, {"type": "notebook", "content": notebook})
        watch.look()
    return notebook, watch, errors


def run(file, limit=LIMIT):
    """Run a chapter as `visit` does.

    Returns
    -------
    dict
        ``seconds``; ``server``, ``kernel`` and ``together``, their peaks in GiB; ``cell``, the first line of the cell
        in which they had most; ``errors``, a list of lines.
    """
    start = time.perf_counter()
    notebook, watch, errors = visit(file, limit)
    found = gpu.describe(notebook)
    errors += [f"{error['error']}   in the cell {error['cell']!r}" for error in found["errors"]]
    # The kernel's own word is of all moments, and not just of those at which it was looked at.
    kernel = max(watch.kernel, found["peak_memory_gib"] or 0)
    # A cell may have started further processes; and the two may have had their peaks between two looks.
    peaks = {"server": watch.server, "kernel": kernel, "together": max(watch.most, watch.server + kernel)}
    return {"seconds": time.perf_counter() - start, **peaks, "cell": watch.cell, "errors": errors}


def in_words(name, found, bound=BOUND):
    """Say in a line how a chapter went, and in further ones what went wrong."""
    state = "FAILED" if found["errors"] else "over the bound" if found["kernel"] > bound else "OK"
    sizes = ", ".join(f"{key} {found[key]:.2f}" for key in ("kernel", "server", "together"))
    head = f"{name}: {found['seconds']:.0f} s; GiB: {sizes}; {state}; most in the cell {found['cell']!r}"
    return "\n    ".join([head, *found["errors"][:5]])


def main(arguments=None):
    """Run the named chapters, or all; the exit code is 1 when one failed or needed more than the bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="such as gans/math")
    parser.add_argument("--edition", type=Path, help="the folder of notebooks; without, the readers', else the book's")
    parser.add_argument("--limit", type=float, default=LIMIT, help="GiB of server and kernel; default %(default)s")
    parser.add_argument("--bound", type=float, default=BOUND, help="GiB of a kernel; default %(default)s")
    options = parser.parse_args(arguments)
    try:
        chosen = find(options.chapters, options.edition or (EDITION if EDITION.is_dir() else ROOT))
    except ValueError as error:
        parser.error(str(error))
    print("under a limit" if limited(options.limit) else "watched", f"of {options.limit:g} GiB", flush=True)
    worst = -math.inf
    for path, file in chosen.items():
        found = run(file, options.limit)
        print(in_words(path.as_posix(), found, options.bound), flush=True)
        worst = max(worst, math.inf if found["errors"] else found["kernel"])
    return int(worst > options.bound)


if __name__ == "__main__":
    sys.exit(main())
