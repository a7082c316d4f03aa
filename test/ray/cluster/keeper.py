"""Starts what it is told to and outlives none of it: when its standard input ends, every descendant is killed.

Ray's daemons leave their parent and rename themselves, so neither a process group nor a name finds them again. As a
child subreaper this process gets every orphan among its descendants back: its tree is exactly what it started, and
the numbers are those that everybody sees, which a PID namespace would not give. Linux only.

Input: one JSON list of strings per line, a command to run. Output: one JSON object per finished command, {"code": n}.
argv: the folder that the output of the commands goes to (start.log) and that is removed at the end.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def parents() -> dict[int, int]:
    """Parent of each process of this machine."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        # The name, in parentheses, may itself hold spaces and parentheses.
        found[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return found


def descendants(root: int) -> list[int]:
    """Every process below `root`."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def reap() -> dict[int, int]:
    """Collects the children that have ended: exit code by process."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def end_all() -> None:
    """Kills until nothing is left: a process may be starting another one while it is being killed."""
    while below := descendants(os.getpid()):
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        reap()


def serve(log: Path) -> None:
    """Runs commands until the input ends or this process is told to end."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    signal.signal(signal.SIGCHLD, lambda *_: None)

    running: set[int] = set()
    text = b""
    while not stopping:
        readable, _, _ = select.select([0, wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
            for pid, code in reap().items():
                if pid in running:
                    running.remove(pid)
                    print(json.dumps({"code": code}), flush=True)
        if 0 in readable:
            part = os.read(0, 65536)
            if not part:
                return
            *lines, text = (text + part).split(b"\n")
            for line in lines:
                with log.open("ab") as output:
                    child = subprocess.Popen(json.loads(line), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
                # Reaped above, not by subprocess.
                child.returncode = 0
                running.add(child.pid)


def main() -> None:
    folder = Path(sys.argv[1])
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("This system has no child subreaper.")
    try:
        serve(folder / "start.log")
    finally:
        end_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
