"""What one process hears of the others; tests/accidents kills processes of whole runs."""

import socket

import pytest

from deeprank_plugin.engine.hooks.peer_watch_hook import BYE, PeerWatch


@pytest.mark.parametrize('said', [b'12', b'12' + BYE])
def test_a_loss_is_passed_on_even_if_its_teller_says_goodbye_at_once(said, capfd):
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.settimeout(20)
        theirs.sendall(said)
        watch = PeerWatch({0: ours}, grace=600)
        try:
            assert theirs.recv(64) == b'12'
        finally:
            watch.close()
    assert 'process 12 has ended before its work was done' in capfd.readouterr().err
