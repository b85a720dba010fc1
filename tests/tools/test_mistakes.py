"""What a mistaken user of the tools gets: one sentence and exit code 2, or the right number."""

import pickle
import re
import runpy
import sys

import pytest
import torch
from helpers import ROOT, output_of, run_tool

SCRATCH = ROOT / 'configs/finetune/stgcn-w16_scratch.py'
TINY = ['model.backbone.base_channels=4', 'model.cls_head.in_channels=16']


def loaders(*parts):
    found = []
    for part in parts:
        found += [f'{part}_dataloader.num_workers=0', f'{part}_dataloader.persistent_workers=False']
    return found


OPTIONS = [*TINY, *loaders('train', 'val', 'test')]


@pytest.fixture
def sentence(monkeypatch, capsys, tmp_path):
    """A function that runs a tool in this process and returns the sentence that it ends with."""

    def run(tool, *arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'path', [str(ROOT / 'tools'), *sys.path])
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        monkeypatch.setenv('LOCAL_RANK', '0')
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')
        assert ended.value.code == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
        assert len(lines) == 1 and lines[0].startswith('error: ')
        return lines[0]

    return run


@pytest.fixture
def walks(tmp_path, write_random_walks):
    write_random_walks(tmp_path / 'walks.pkl', 48, 36)
    return tmp_path / 'walks.pkl'


def test_options_that_nothing_reads(sentence, walks):
    for option, nearest in (
        ('ann_file=b.pkl', 'train_dataloader.dataset.ann_file'),
        ('total_epochs=3', 'train_cfg.max_epochs'),
        ('load_form=a.pth', 'load_from'),
    ):
        said = sentence('train.py', SCRATCH, '--data', walks, '--cfg-options', option)
        assert said.startswith(f'error: --cfg-options: {option.split("=")[0]} is ')
        assert nearest in said
    said = sentence(
        *('run_protocol.py', SCRATCH, 'out', '--checkpoint', 'none', '--data', walks),
        *('--cfg-options', 'clip_len=9'),
    )
    assert 'train_dataloader.dataset.pipeline.1.clip_len' in said


@pytest.mark.slow
def test_data_that_is_not_there(sentence, walks):
    options = ['--data', walks, '--cfg-options', *OPTIONS]
    said = sentence('train.py', SCRATCH, *options, 'train_dataloader.dataset.ann_file=none.pkl')
    assert 'annotation file none.pkl does not exist' in said
    said = sentence('train.py', SCRATCH, *options, 'train_dataloader.dataset.split=xsub_trian')
    assert 'xsub_trian' in said and 'xsub_train' in said
    said = sentence('train.py', SCRATCH, *options, 'model.type=Recogniser')
    assert 'Recogniser is not in the' in said
    said = sentence('train.py', SCRATCH, *options, 'model.cls_head.num_classes=7')
    assert 'label 11' in said and '7 classes' in said


@pytest.mark.slow
def test_files_that_are_no_checkpoint(sentence, walks, tmp_path):
    options = ['--data', walks, '--cfg-options', *OPTIONS]
    (tmp_path / 'empty.pth').touch()
    torch.save(dict(a=torch.ones(3)), tmp_path / 'foreign.pth')
    whole = (tmp_path / 'foreign.pth').read_bytes()
    (tmp_path / 'torn.pth').write_bytes(whole[: len(whole) // 2])
    for name, words in (
        ('empty.pth', 'truncated or damaged'),
        ('torn.pth', 'truncated or damaged'),
        ('foreign.pth', 'is of another network than SkeletonRecognizer'),
        ('walks.pkl', 'a checkpoint was rejected'),
    ):
        assert words in sentence('test.py', SCRATCH, name, *options), name
    said = sentence('train.py', SCRATCH, '--resume', 'foreign.pth', *options)
    assert 'has no ' in said and 'message_hub' in said


@pytest.mark.slow
def test_few_labels_are_trained_on_and_the_steps_are_told(walks, tmp_path):
    """One sample of each of 12 classes and a batch of 8: a batch of 8 and one of 4."""
    command = ('run_protocol.py', SCRATCH, 'out', '--checkpoint', 'none', '--share', '1p')
    command += ('--data', walks, '--cfg-options', *OPTIONS, 'train_cfg.max_epochs=2')
    command += ('train_cfg.min_steps=0',)
    printed = output_of(*command, cwd=tmp_path)
    assert '12 samples, 2 steps an epoch, 2 epochs: 4 steps a run' in printed
    checkpoint = torch.load(tmp_path / 'out/joint/seed_0/epoch_2.pth')
    assert checkpoint['meta']['iter'] == 4

    cut = [*command[:-1], 'train_dataloader.batch_sampler=None', 'train_dataloader.drop_last=True']
    result = run_tool(*cut, 'train_dataloader.batch_size=16', cwd=tmp_path)
    assert result.returncode == 2
    assert re.search(r'12 samples on 1 process.*batch_size=12 or less', result.stderr)

    # what was trained on joints is not tested as bones, nor by other names
    path = tmp_path / 'out/joint/seed_0/epoch_2.pth'
    test = ('test.py', SCRATCH, path, '--data', walks, '--modality', 'bone')
    result = run_tool(*test, '--cfg-options', *OPTIONS, cwd=tmp_path)
    assert result.returncode == 2 and 'Traceback' not in result.stderr
    assert 'is of modality joint, and this model takes bone' in result.stderr
    allowed = 'default_hooks.strict_load.allow_other=[modality]'
    assert 'acc/top1' in output_of(*test, '--cfg-options', *OPTIONS, allowed, cwd=tmp_path)


@pytest.mark.slow
def test_class_names_in_another_order(walks, tmp_path):
    content = pickle.loads(walks.read_bytes())
    names = [f'class {number:02d}' for number in range(12)]
    walks.write_bytes(pickle.dumps(dict(content, label_names=names)))
    (tmp_path / 'other.pkl').write_bytes(pickle.dumps(dict(content, label_names=names[::-1])))
    options = ('--cfg-options', *OPTIONS)
    train = ('train.py', SCRATCH, '--data', walks, '--work-dir', 'run', *options)
    output_of(*train, 'train_cfg.max_epochs=1', cwd=tmp_path)
    for data, code in (('walks.pkl', 0), ('other.pkl', 2)):
        result = run_tool(
            'test.py', SCRATCH, 'run/epoch_1.pth', '--data', data, *options, cwd=tmp_path
        )
        assert result.returncode == code, result.stderr
    assert "class 0 is 'class 00' in the checkpoint and 'class 11' in the data" in result.stderr
    assert '--classes CHECKPOINT' in result.stderr
