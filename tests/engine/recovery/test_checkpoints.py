"""Files that are written whole, and the newest whole checkpoint of a work dir."""

import errno
import os
import shutil

import pytest
import torch

from deeprank_plugin.command_line import find_checkpoint
from deeprank_plugin.engine import Pretrained
from deeprank_plugin.engine.recovery import WholeFileBackend, checkpoints
from deeprank_plugin.engine.recovery.checkpoints import (
    find_latest,
    find_resumable,
    is_whole,
    write_whole,
)


def test_a_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / 'deep' / 'file.pth'
    WholeFileBackend().put(b'old', path)
    assert path.read_bytes() == b'old'
    seen = []

    def replace(source, target):
        seen.append((open(source, 'rb').read(), path.read_bytes()))
        os.rename(source, target)

    monkeypatch.setattr(checkpoints.os, 'replace', replace)
    write_whole(path, b'new')
    assert seen == [(b'new', b'old')] and path.read_bytes() == b'new'
    assert [entry.name for entry in path.parent.iterdir()] == ['file.pth']


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path, monkeypatch):
    path = tmp_path / 'file.pth'
    write_whole(path, b'old')

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints.os, 'fsync', full)
    with pytest.raises(OSError, match='file.pth.*could not be written.*No space left') as caught:
        write_whole(path, b'new')
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b'old' and list(tmp_path.iterdir()) == [path]


def save(path, value=0):
    torch.save(dict(weight=torch.full((1000,), float(value))), path)
    return str(path)


def test_every_damaged_byte_range_is_found(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    content = open(save(path), 'rb').read()
    assert is_whole(path)
    middle = content.index(torch.zeros(1000).numpy().tobytes()) + 2000
    for damaged in (
        content[:-1],
        content[: len(content) // 2],
        b'',
        content[:middle] + b'\x01' + content[middle + 1 :],
    ):
        path.write_bytes(damaged)
        assert not is_whole(path)
    assert not is_whole(tmp_path / 'missing.pth')


def test_the_newest_whole_checkpoint(tmp_path):
    folder = str(tmp_path)
    assert find_resumable(folder) == (None, [])
    paths = [save(tmp_path / f'epoch_{n}.pth', n) for n in (1, 2, 10)]
    for number, path in enumerate(paths):
        os.utime(path, (number, number))
    save(tmp_path / 'best_acc_epoch_2.pth')  # no checkpoint to resume from, however new
    record = tmp_path / 'last_checkpoint'
    record.write_text(paths[1])
    assert find_resumable(folder) == (paths[1], [])  # the record counts, not the date
    record.write_text(paths[2])
    open(paths[2], 'r+b').truncate(100)
    found, (warning,) = find_resumable(folder)
    assert found == paths[1]
    assert 'epoch_10.pth' in warning and '(100 bytes) is truncated or damaged' in warning
    assert f'Resuming from {paths[1]!r}' in warning
    record.write_text('')
    assert 'is empty' in find_resumable(folder)[1][0]
    record.write_text('/elsewhere/epoch_1.pth')  # the work dir was moved
    assert find_resumable(folder) == (paths[0], [])
    record.write_text('/elsewhere/epoch_3.pth')  # nor is it here
    found, (warning,) = find_resumable(folder)
    assert found == paths[1] and "'/elsewhere/epoch_3.pth' does not exist" in warning
    for path in paths:
        open(path, 'r+b').truncate(10)
    with pytest.raises(ValueError, match='there is no whole one.*--resume CHECKPOINT'):
        find_resumable(folder)


@pytest.mark.parametrize('how', ['renamed', 'copied'])
def test_a_work_dir_gives_its_own_checkpoint(tmp_path, monkeypatch, how):
    """Another run has written to the old path since."""
    run, other = tmp_path / 'run', tmp_path / 'run_seed0'
    run.mkdir()
    (run / 'last_checkpoint').write_text(save(run / 'epoch_2.pth'))
    run.rename(other) if how == 'renamed' else shutil.copytree(run, other)
    run.mkdir(exist_ok=True)
    (run / 'last_checkpoint').write_text(save(run / 'epoch_2.pth'))
    monkeypatch.chdir(tmp_path)
    for folder in ('run_seed0', 'run'):
        own = str(tmp_path / folder / 'epoch_2.pth')
        assert find_latest(folder) == find_checkpoint(folder) == own
        assert find_resumable(folder) == (own, [])
        with pytest.raises(ValueError, match=f'{folder}/epoch_2.pth'):  # of another module
            Pretrained(folder)(torch.nn.Linear(1, 1))
    (other / 'epoch_2.pth').write_bytes(b'')
    save(other / 'epoch_1.pth')
    assert find_resumable(str(other))[0] == str(other / 'epoch_1.pth')


def test_checkpoints_that_are_folders_or_elsewhere(tmp_path):
    (tmp_path / 'run').mkdir()
    assert find_latest(str(tmp_path / 'run')) is None
    record = tmp_path / 'run' / 'last_checkpoint'
    record.write_text(str(tmp_path / 'out' / 'epoch_1.pth'))  # out_dir of CheckpointHook
    assert find_latest(str(tmp_path / 'run')) == str(tmp_path / 'out' / 'epoch_1.pth')
    (tmp_path / 'run' / 'epoch_1.pth').mkdir()  # shards
    assert find_latest(str(tmp_path / 'run')) == str(tmp_path / 'run' / 'epoch_1.pth')
    record.write_text('')
    assert find_latest(str(tmp_path / 'run')) == ''
