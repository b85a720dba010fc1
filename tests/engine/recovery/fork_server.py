"""Runs tools/train.py as often as asked, each time in a fork that finds everything imported.

Reads one request a line, as JSON: ``arguments`` of train.py, ``log`` for what it prints, ``delay``:
seconds after which it is killed, or null, number of ``processes`` and their ``port``. Answers with
their exit codes, negative for a signal, null for one that hung.
"""

import json
import os
import signal
import sys
import time

from helpers import ROOT

sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

import kill_at  # noqa: E402, F401
import matplotlib.pyplot  # noqa: E402, F401
import mmengine.config.config  # noqa: E402
import sklearn.cluster  # noqa: E402, F401
import torch  # noqa: E402
import torch._dynamo  # noqa: E402, F401  asked for by optimisers
import torch.utils.tensorboard  # noqa: E402, F401
import train  # noqa: E402
from mmengine.utils.dl_utils import collect_env  # noqa: E402

torch.set_num_threads(1)
collect_env()  # for its imports
# half of the time of such small runs is the layout of the config's text, in logs and checkpoints
mmengine.config.config.FormatCode = lambda text, **kwargs: (text, True)
HANGS = 90  # seconds that no run here takes


def run(arguments, log):
    """What the child does."""
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ['train.py', *arguments]
    train.main()
    sys.exit()


def wait(children, delay):
    """Exit codes of the children, which are killed after a delay; None of those that hang."""
    end = time.monotonic() + (HANGS if delay is None else delay)
    running = set(children)
    while running and time.monotonic() < end:
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        running = {child for child in running if os.waitid(os.P_PID, child, options) is None}
        time.sleep(0.005)
    for child in running:
        os.kill(child, signal.SIGKILL)
    codes = {child: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
    if delay is None:
        codes.update(dict.fromkeys(running))
    return list(codes.values())


print('ready', flush=True)
for line in sys.stdin:
    request = json.loads(line)
    children = []
    for rank in range(request['processes']):
        children.append(os.fork())
        if children[-1] == 0:
            if request['processes'] > 1:
                environment = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=request['processes'])
                environment.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=request['port'])
                os.environ.update({key: str(value) for key, value in environment.items()})
            run(request['arguments'], request['log'])
    print(json.dumps(wait(children, request['delay'])), flush=True)
