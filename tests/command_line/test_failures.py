"""What the tools say of files, disks and processes; whole runs are in engine/recovery."""

import errno

import pytest

from deeprank_plugin.command_line import failures


def test_a_folder_is_made_and_must_be_writable(tmp_path, capsys):
    failures.require_writable(str(tmp_path / 'new' / 'run'), 'work dir', '--work-dir')
    assert list((tmp_path / 'new' / 'run').iterdir()) == []
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit) as ended:
        failures.require_writable(str(tmp_path / 'file'), 'work dir', '--work-dir')
    (sentence,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and sentence.startswith(f"error: work dir '{tmp_path}/file'")
    assert '--work-dir' in sentence


def test_the_checkpoint_of_a_file_and_of_a_work_dir(tmp_path, capsys):
    path = tmp_path / 'epoch_2.pth'
    with pytest.raises(SystemExit):
        failures.find_checkpoint(str(path))
    assert f"checkpoint '{path}' does not exist" in capsys.readouterr().err
    path.touch()
    (tmp_path / 'epoch_10.pth').touch()
    assert failures.find_checkpoint(str(path)) == str(path)
    (tmp_path / 'last_checkpoint').write_text(str(path))
    assert failures.find_checkpoint(str(tmp_path)) == str(path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_3.pth'))  # which is not there
    with pytest.raises(SystemExit):
        failures.find_checkpoint(str(tmp_path))


def test_a_checkpoint_elsewhere_is_left_to_mmengine(tmp_path):
    failures.require_checkpoint('https://example.org/a.pth')
    with pytest.raises(SystemExit):
        failures.require_checkpoint(str(tmp_path / 'a.pth'))


def test_errors_of_the_disk_and_the_work_dir_are_told_apart(tmp_path):
    full = OSError(errno.ENOSPC, 'No space left on device', 'epoch_1.pth')
    assert "'epoch_1.pth': No space left" in failures.explain_unwritable(full, str(tmp_path))
    gone = failures.explain_unwritable(full, str(tmp_path / 'gone'))
    assert 'was removed during the run' in gone and str(tmp_path / 'gone') in gone
    missing = FileNotFoundError(errno.ENOENT, 'No such file', 'data.pkl')
    assert failures.explain_unwritable(missing, str(tmp_path)) is None


@pytest.mark.parametrize(
    ('message', 'worker', 'peer'),
    [
        ('DataLoader worker (pid 7) is killed by signal: Killed.', True, False),
        ('DataLoader worker (pid(s) 7, 8) exited unexpectedly', True, False),
        ('[../gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:1', False, True),
        ('Timed out waiting 5000ms for recv operation to complete', False, True),
        ('NCCL error: ncclRemoteError: a call failed', False, True),
        ('mat1 and mat2 shapes cannot be multiplied', False, False),
    ],
)
def test_dead_workers_and_lost_processes_are_known_by_what_pytorch_says(message, worker, peer):
    assert bool(failures.DEAD_WORKER.match(message)) == worker
    assert bool(failures.LOST_PEER.search(message)) == peer
