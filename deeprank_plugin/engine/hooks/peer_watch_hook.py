"""When one process of a run has died, the others end, too."""

import os
import secrets
import selectors
import socket
import sys
import threading
import weakref
from typing import Dict, List, Optional

from mmaction.registry import HOOKS
from mmengine.dist import all_gather_object, broadcast_object_list, get_rank, get_world_size
from mmengine.hooks import Hook

BYE = b'.'
CONNECT_SECONDS = 30
# a machine that vanished from the network is given up after 10 + 3 * 5 s
KEEPALIVE = dict(TCP_KEEPIDLE=10, TCP_KEEPINTVL=5, TCP_KEEPCNT=3)


@HOOKS.register_module()
class PeerWatchHook(Hook):
    """Ends a process some seconds after another one of the same run has died.

    A process whose peer was killed waits in its next collective for as long as the process group's
    timeout says, 10 minutes by NCCL and 30 by default, unless a launcher on the same machine ends
    it (torchrun does, and srun with ``--kill-on-bad-exit``). A shorter timeout would also cut off
    the healthy: labels, validation and checkpoints keep some processes waiting for others. So each
    process holds a connection to the first one, which the system closes when either dies, whatever
    it was doing. Who dies is told to all; those that have not ended by themselves after ``grace``
    seconds, in which a checkpoint may still be written, are ended with exit code 1.

    With one process the hook does nothing.

    Args:
        grace (float): Seconds. Defaults to 30, which is also what torchrun and Slurm leave a
            process between asking it to end and killing it.
    """

    def __init__(self, grace: float = 30) -> None:
        self.grace = grace
        self.watch: Optional[PeerWatch] = None

    def before_run(self, runner) -> None:
        """Connect the processes, or say why they could not be."""
        if get_world_size() == 1 or self.watch is not None:
            return
        sockets, fault = {}, ''
        try:
            sockets = connect()
        except OSError as error:
            fault = f'process {get_rank()}: {error}'
        faults = [fault for fault in all_gather_object(fault) if fault]
        if faults:
            for connection in sockets.values():
                connection.close()
            runner.logger.warning(
                f'PeerWatchHook could not connect the processes ({faults[0]}): where one dies, the '
                'others may wait until the timeout of the process group. Expected TCP connections '
                'to MASTER_ADDR to be let through, as gloo and NCCL need them'
            )
            return
        self.watch = PeerWatch(sockets, self.grace)

    def after_run(self, runner) -> None:
        """This process has done its work."""
        if self.watch is not None:
            self.watch.close()
            self.watch = None


def connect() -> Dict[int, socket.socket]:
    """Connections by rank: of the first process with all others, of each other with the first.

    Raises:
        OSError: If a process could not be reached in time.
    """
    rank, size = get_rank(), get_world_size()
    entry: List = [None]
    if rank == 0:
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        server = socket.create_server(('', 0), family=family, dualstack_ipv6=both, backlog=size)
        entry = [(server.getsockname()[1], secrets.token_hex(16))]
    broadcast_object_list(entry)
    port, token = entry[0]
    if rank:
        address = (os.environ.get('MASTER_ADDR', '127.0.0.1'), port)
        found = {0: socket.create_connection(address, timeout=CONNECT_SECONDS)}
        found[0].sendall(f'{token}{rank:08d}'.encode())
    else:
        found = {}
        with server:
            server.settimeout(CONNECT_SECONDS)
            while len(found) < size - 1:
                connection, _ = server.accept()
                connection.settimeout(CONNECT_SECONDS)
                said = connection.recv(len(token) + 8, socket.MSG_WAITALL)
                if said.startswith(token.encode()):
                    found[int(said[len(token) :])] = connection
                else:
                    connection.close()  # of somebody else
    for connection in found.values():
        connection.setblocking(True)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return found


class PeerWatch:
    """A thread that waits for the connections to close.

    Args:
        sockets (dict): Rank to connection.
        grace (float): Seconds between a loss and the end of this process.
    """

    def __init__(self, sockets: Dict[int, socket.socket], grace: float) -> None:
        self.sockets = sockets
        self.grace = grace
        self.rank = get_rank()
        self.done = threading.Event()
        threading.Thread(target=self._wait, daemon=True).start()
        # data-loader workers outlive a killed parent for seconds: they must not hold connections
        reference = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget(reference()))

    def close(self) -> None:
        """Say goodbye, and watch no longer."""
        self.done.set()
        for connection in self.sockets.values():
            try:
                connection.sendall(BYE)
                connection.shutdown(socket.SHUT_RDWR)  # wakes the thread
            except OSError:
                pass  # the other one was faster
            connection.close()

    def _wait(self) -> None:
        with selectors.DefaultSelector() as selector:
            for rank, connection in self.sockets.items():
                selector.register(connection, selectors.EVENT_READ, rank)
            while selector.get_map() and not self.done.is_set():
                for key, _ in selector.select():
                    try:
                        said = key.fileobj.recv(64)
                    except OSError:
                        said = b''
                    if said.startswith(BYE) or self.done.is_set():
                        selector.unregister(key.fileobj)
                    else:
                        # who was lost and a goodbye may come as one
                        self._end(int(said.rstrip(BYE) or key.data))
                        return

    def _end(self, lost: int) -> None:
        """Tell the others who was lost, and end this process unless it ends by itself."""
        print(
            f'error: process {lost} has ended before its work was done, or its machine is silent: '
            f'process {self.rank} ends, too, within {self.grace:g} s. What happened is in its own '
            "messages or in the system's log (memory? network?); --resume goes on from the last "
            'checkpoint.',
            file=sys.stderr,
            flush=True,
        )
        for connection in self.sockets.values():
            try:
                connection.sendall(b'%d' % lost)
            except OSError:
                pass  # the lost one
        if not self.done.wait(self.grace):
            os._exit(1)


def _forget(watch: Optional[PeerWatch]) -> None:
    """Close a forked process' copies of the connections; those of the parent stay open."""
    if watch is not None:
        for connection in watch.sockets.values():
            connection.close()
