"""Run by test_portable.py in a process of its own: imports all modules where what only some systems have is hidden.

python portable.py MODULE ...      (prints a line of JSON: what each module that cannot be imported raised)
"""

import importlib
import json
import os
import signal
import sys

# Python has these on Linux and macOS, or on Linux alone, and not on Windows.
MODULES = ("resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog")
OS = """chown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpriority getuid killpg lchown mkfifo
mknod nice posix_fallocate posix_spawn pread pwrite register_at_fork sched_getaffinity sched_setaffinity setgid setpgid
setpriority setsid setuid statvfs sync sysconf uname wait wait3 wait4"""
SIGNALS = "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 alarm pause pthread_kill setitimer"
ATTRIBUTES = {os: OS.split(), signal: SIGNALS.split()}


def hide():
    """Take away what Windows lacks; what other packages imported already keeps it."""
    for name in MODULES:
        sys.modules[name] = None
    for module, names in ATTRIBUTES.items():
        for name in set(names) & vars(module).keys():
            delattr(module, name)


def failure(name):
    """Return what importing a module raises, or an empty text."""
    try:
        importlib.import_module(name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main(*names):
    """Import once as it is, so that all other packages are there; then import anew, with those things hidden."""
    before = set(sys.modules)
    assert not any(map(failure, names)), {name: failure(name) for name in names}
    ours = {name.split(".")[0] for name in names}
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ours:
            del sys.modules[name]
    hide()
    print(json.dumps({name: error for name in names if (error := failure(name))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
