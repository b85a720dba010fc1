"""Runs tools/train.py as often as asked, each time in a fork that finds everything imported.

Reads one request a line, as JSON: ``arguments`` of train.py, ``log`` for what it prints, and
``delay``: seconds after which it is killed, or null. Answers with the exit code, negative for a
signal.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

import kill_at  # noqa: E402, F401
import sklearn.cluster  # noqa: E402, F401
import torch  # noqa: E402
import torch._dynamo  # noqa: E402, F401  asked for by optimisers
import torch.utils.tensorboard  # noqa: E402, F401
import train  # noqa: E402
from mmengine.runner import Runner  # noqa: E402, F401

torch.set_num_threads(1)


def run(arguments, log):
    """What the child does."""
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ['train.py', *arguments]
    code = 0
    try:
        train.main()
    except SystemExit as ending:
        code = ending.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def wait(child, delay):
    """Exit code of the child, which is killed after a delay."""
    end = None if delay is None else time.monotonic() + delay
    while end is not None and time.monotonic() < end:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            break
        time.sleep(0.005)
    else:
        if end is not None:
            os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


print('ready', flush=True)
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if child == 0:
        run(request['arguments'], request['log'])
    print(wait(child, request['delay']), flush=True)
