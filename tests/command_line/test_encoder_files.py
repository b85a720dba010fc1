"""The encoder of each stream that --checkpoint names."""

import pytest
import torch

from deeprank_plugin.command_line.encoder_files import check_streams, find_checkpoints


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two checkpoints, and a work dir of the first."""
    monkeypatch.chdir(tmp_path)
    weights = {'backbone.weight': torch.zeros(1)}
    for name in 'ab':
        torch.save(dict(state_dict=weights, meta=dict(modality='bone')), f'{name}.pth')
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'last_checkpoint').write_text(str(tmp_path / 'a.pth'))
    return tmp_path


def test_one_file_for_all_streams_or_one_for_each(files):
    streams = ['joint', 'bone']
    assert find_checkpoints(['none'], streams) == dict(joint=None, bone=None)
    assert find_checkpoints(['a.pth'], streams) == dict(joint='a.pth', bone='a.pth')
    found = find_checkpoints(['bone=b.pth', 'joint=run'], streams)
    assert found == dict(joint=str(files / 'a.pth'), bone='b.pth')


@pytest.mark.parametrize(
    'given',
    [
        ['joint=a.pth'],
        ['joint=a.pth', 'bone=b.pth', 'motion=a.pth'],
        ['joint=a.pth', 'bone=b.pth', 'bone=a.pth'],  # which one?
        ['a.pth', 'b.pth'],
        ['joint=a.pth', 'b.pth'],
    ],
)
def test_other_numbers_of_files_are_rejected(files, capsys, given):
    with pytest.raises(SystemExit) as ended:
        find_checkpoints(given, ['joint', 'bone'])
    assert ended.value.code == 2
    assert 'does not give one file for each of the streams joint, bone' in capsys.readouterr().err


def test_a_stream_without_its_encoder_is_rejected(files, capsys):
    check_streams('a.pth', ['bone'])
    with pytest.raises(SystemExit):
        check_streams('a.pth', ['joint'])
    assert 'holds the encoder of bone but is needed for stream joint' in capsys.readouterr().err
    (files / 'text.pth').write_text('no checkpoint')
    with pytest.raises(SystemExit):
        check_streams('text.pth', ['bone'])
