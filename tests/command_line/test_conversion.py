"""Options of the converters, and what they print of their file."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.command_line.conversion import (
    add_conversion_options,
    print_summary,
    require_output,
)


def summary(capsys, split, labels=(0, 2), **more):
    annotations = [
        dict(frame_dir=name, keypoint=np.ones((bodies, 3, 5, 3)))
        for name, bodies in (('a', 1), ('b', 2))
    ]
    for annotation, label in zip(annotations, labels):
        annotation['label'] = label
    content = dict(split=split, annotations=annotations, **more)
    print_summary(content, Path('out dir/x.pkl'), 'coco', ['broken'], ['odd'])
    return capsys.readouterr().out.splitlines()


def test_a_file_to_train_on(capsys):
    lines = summary(capsys, dict(train=['a'], val=['b']), label_names=['sit', 'run', 'fly'])
    assert lines == [
        'out dir/x.pkl: 2 sequences, up to 2 bodies',
        'splits: train 1, val 1',
        'classes: 2, num_classes=3',
        *('  0 sit', '  1 run', '  2 fly'),
        'left out: 1',
        'pretrain on it: python tools/train.py configs/deeprank/deeprank_stgcn-slim.py --data '
        "'out dir/x.pkl' --layout coco",
        'WARNING: odd',
    ]


def test_a_file_to_predict_on(capsys):
    lines = summary(capsys, dict(all=['a', 'b']), labels=())
    assert lines[2] == 'classes: none'
    command = "python tools/demo_skeleton.py CONFIG CHECKPOINT 'out dir/x.pkl'"
    assert lines[4] == f'predict on it, with the config and checkpoint of a model: {command}'


def test_a_file_whose_splits_are_no_pair(capsys):
    lines = summary(capsys, dict(all=['a', 'b']))
    assert lines[4].startswith('tools/train.py does not know what to train on: annotation file')


def test_options(capsys):
    parser = argparse.ArgumentParser()
    add_conversion_options(parser)
    assert vars(parser.parse_args([])) == dict(
        workers=None, skip_bad=False, report=None, force=False
    )
    assert parser.parse_args(['--workers', '2']).workers == 2
    for text in ('0', '-1', 'two'):
        with pytest.raises(SystemExit):
            parser.parse_args([f'--workers={text}'])
        assert f'--workers: {text!r}; expected at least 1' in capsys.readouterr().err


def test_a_file_is_not_replaced_by_mistake(tmp_path, capsys):
    require_output(tmp_path / 'new' / 'a.pkl', False)
    (tmp_path / 'a.pkl').touch()
    require_output(tmp_path / 'a.pkl', True)
    with pytest.raises(SystemExit):
        require_output(tmp_path / 'a.pkl', False)
    assert '--force' in capsys.readouterr().err
