"""convert_annotations.py as a user runs it: both ways, exactly, errors in sentences."""

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, output_of

TOOL = ROOT / 'tools' / 'data' / 'convert_annotations.py'


@pytest.fixture
def tool(call_tool):
    """A function that runs the tool in this process: exit code, what it printed."""

    def run(*arguments):
        code, out, err = call_tool('data/convert_annotations.py', *arguments)
        return code, out + err

    return run


def add_many_kinds(content):
    for index, annotation in enumerate(content['annotations']):
        annotation.update(
            subject=index % 4,
            actor=f'actor ü{index}',
            correct=index % 2 == 0,
            weight=index / 7,
            nothing=float('nan'),
            big=2**62 + index,
            img_shape=(1080, 1920),
            box=[0.5, index / 3],
            camera=np.int16(index),
            score=np.float32(index / 3),
            center=np.arange(3, dtype=np.float16) + index,
            keypoint_score=annotation['keypoint'][..., 0] ** 2,
        )
    content['classes'] = ['wave', 'clap', 'kick']
    content['source'] = 'a test'
    content['split']['none'] = []


def identical(first, second):
    """Plain recursion over types and values, independent of the tool's."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(identical(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(identical, first, second))
    if isinstance(first, (np.ndarray, np.generic)):
        return first.dtype == second.dtype and np.array_equal(first, second)
    return first == second or first != first and second != second


@pytest.mark.parametrize(
    'kwargs',
    [
        {},
        dict(bodies=2, change=add_many_kinds),
        dict(shape=(17, 2), change=add_many_kinds),
        dict(change=lambda content: content['annotations']),
    ],
)
def test_both_ways(tool, make_annotations, tmp_path, kwargs):
    source = make_annotations(**kwargs)
    there, back, again = (tmp_path / 'new' / name for name in ('a.npz', 'b.pkl', 'c.npz'))
    code, printed = tool(source, there)
    assert code == 0 and f'20 sequences, {there.stat().st_size / 1e6:.1f} MB' in printed
    assert tool(there, back)[0] == 0
    assert identical(pickle.load(open(source, 'rb')), pickle.load(open(back, 'rb')))
    assert tool(back, again)[0] == 0 and there.read_bytes() == again.read_bytes()
    assert sorted(os.listdir(tmp_path / 'new')) == ['a.npz', 'b.pkl', 'c.npz']


@pytest.mark.parametrize('name', ['uiprmd_ntu25.pkl', 'hdm05_ntu25.pkl'])
def test_real_data(tool, shared_data, tmp_path, name):
    assert tool(shared_data / name, tmp_path / 'a.npz')[0] == 0
    assert tool(tmp_path / 'a.npz', tmp_path / 'b.pkl')[0] == 0
    first, second = (
        pickle.load(open(path, 'rb')) for path in (shared_data / name, tmp_path / 'b.pkl')
    )
    assert identical(first, second)


@pytest.mark.slow
def test_as_a_program(make_annotations, tmp_path):
    printed = output_of(TOOL, make_annotations(), tmp_path / 'a.npz')
    assert 'splits: xsub_train 15, xsub_val 5' in printed


def test_no_file_is_lost(tool, make_annotations, tmp_path):
    path = tmp_path / 'a.npz'
    path.write_text('of somebody else')
    code, printed = tool(make_annotations(), path)
    assert code == 2 and 'a.npz exists' in printed and '--force' in printed
    broken = make_annotations(change=change_sample(label=-1), name='broken.pkl')
    assert tool(broken, path, '--force')[0] == 2  # the other file stays if it fails
    assert path.read_text() == 'of somebody else'
    assert tool(make_annotations(), path, '--force')[0] == 0
    assert path.read_bytes()[:2] == b'PK'


def change_sample(index=5, **changes):
    def change(content):
        content['annotations'][index].update(changes)

    return change


def change_all(**values):
    def change(content):
        for index, annotation in enumerate(content['annotations']):
            annotation.update({key: value(index) for key, value in values.items()})

    return change


@pytest.mark.parametrize(
    'change, message',
    [
        (change_sample(label=-1), 'has label -1'),
        (change_sample(total_frames=99), 'says total_frames=99'),
        (change_sample(more=1), r"'s15' has the keys .*'more'.*--drop"),
        (
            change_sample(label=np.int64(1)),
            r"item 5, key 'label'.*\(int64\).*back as '1' \(int\)",
        ),
        (
            change_sample(label=np.int8(1), index=0),
            r"item 0, key 'label'.*|item 1, key 'label'",
        ),
        (change_all(more=lambda i: {'a': i}), "key 'more'.*cannot become an array.*--drop"),
        (change_all(more=lambda i: [0] * i), "key 'more'.*cannot become an array.*--drop"),
        (change_all(more=lambda i: 2**70), "key 'more'.*cannot become an array.*--drop"),
        (change_all(more=lambda i: i if i else True), "key 'more'.*'True' .bool.*back as '1'"),
        (change_all(more=lambda i: f'{i}\0'), "key 'more'.*would be read back as '0'"),
        (change_all(more=lambda i: 'a' if i else 1), "key 'more'.*would be read back as"),
        (lambda c: c['split']['xsub_val'].append('ghost'), "'ghost'"),
        (lambda c: c.update(meta=dict(a=1)), "key 'meta'.*cannot become an array"),
        (lambda c: c.update(annotations=[], split={}), 'holds no sample'),
    ],
)
def test_what_cannot_be_kept_is_rejected(tool, make_annotations, tmp_path, change, message):
    path = make_annotations(change=lambda content: change(content) and None)
    code, printed = tool(path, tmp_path / 'out' / 'a.npz')
    assert code == 2 and re.search(message, printed), printed
    assert 'annotations.pkl' in printed
    assert not list(tmp_path.glob('out/*'))


def test_mixed_types_of_coordinates(tool, make_annotations, tmp_path):
    def change(content):
        annotation = content['annotations'][5]
        annotation['keypoint'] = annotation['keypoint'].astype(np.float64)

    code, printed = tool(make_annotations(change=change), tmp_path / 'a.npz')
    assert (
        code == 2 and "'s15' has a keypoint of float64 and the first sample of float32" in printed
    )


def test_keys_can_be_left_out(tool, make_annotations, tmp_path):
    path = make_annotations(change=change_all(more=lambda i: {'a': i}, subject=lambda i: i))
    assert tool(path, tmp_path / 'a.npz', '--drop', 'more')[0] == 0
    tool(tmp_path / 'a.npz', tmp_path / 'b.pkl')
    expected = pickle.load(open(path, 'rb'))
    for annotation in expected['annotations']:
        del annotation['more']
    assert identical(expected, pickle.load(open(tmp_path / 'b.pkl', 'rb')))
    code, printed = tool(path, tmp_path / 'c.npz', '--drop', 'nothing')
    assert code == 2 and "['nothing']: no sample" in printed


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('a.pkl', 'b.pkl'), 'one file whose name ends in .npz'),
        (('a.npz', 'b.npz'), 'one file whose name ends in .npz'),
        (('nowhere.pkl', 'b.npz'), 'nowhere.pkl does not exist'),
        (('nowhere.npz', 'b.pkl'), 'nowhere.npz does not exist'),
        (('broken.npz', '.'), '. is a folder: name a file to write'),
        (('broken.npz', 'b.pkl'), 'broken.npz ends too early or is damaged'),
        (('broken.npz', 'b.pkl', '--drop', 'label'), 'label, total_frames and keypoint are needed'),
    ],
)
def test_errors_are_sentences(tool, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path('broken.npz').write_bytes(b'PK\x03\x04')
    code, printed = tool(*arguments)
    assert code == 2 and message in printed
    assert os.listdir() == ['broken.npz']


def read(path):
    return pickle.loads(Path(path).read_bytes())['annotations']


def test_to_another_layout(tool, make_annotations, tmp_path):
    source, there, back = make_annotations(shape=(20, 3)), tmp_path / 'ntu.npz', tmp_path / 'b.pkl'
    code, printed = tool(source, there, '--to-layout', 'nturgb+d')
    assert code == 0, printed
    assert 'layout kinect-v1 to nturgb+d: 24 joints copied, 1 averaged, none missing' in printed
    code, printed = tool(there, back, '--to-layout', 'kinect-v1', '--layout', 'nturgb+d')
    assert code == 0 and '20 joints copied, 0 averaged, none missing' in printed
    for first, second in zip(read(source), read(back), strict=True):
        assert identical({**first, 'keypoint': 0}, {**second, 'keypoint': 0}) and np.array_equal(
            first['keypoint'], second['keypoint']
        )


def test_scores_go_to_another_layout_as_well(tool, make_annotations, tmp_path):
    def add_scores(content):
        for annotation in content['annotations']:
            annotation['keypoint_score'] = np.full(annotation['keypoint'].shape[:3], 0.5)

    source = make_annotations(shape=(17, 2), change=add_scores)
    code, printed = tool(source, tmp_path / 'a.pkl', '--to-layout', 'body25')
    assert code == 0, printed
    assert '17 joints copied, 2 averaged, 6 missing (left_big_toe, left_small_toe, lef' in printed
    for annotation in read(tmp_path / 'a.pkl'):
        assert annotation['keypoint'].shape[2:] == (25, 2)
        assert (annotation['keypoint_score'][..., :19] == 0.5).all()
        assert not annotation['keypoint_score'][..., 19:].any()
        assert not annotation['keypoint'][..., 19:, :].any()


def test_axes_of_another_layout_are_doubted(tool, make_annotations, tmp_path):
    def stand_on_the_head(content):
        for annotation in content['annotations']:
            annotation['keypoint'] *= 0.01
            annotation['keypoint'][:, :, [20, 24], 1] += 1.7  # ankles, in metres, y down
            annotation['keypoint'][..., 2] -= 3

    source = make_annotations(shape=(32, 3), change=stand_on_the_head)
    code, printed = tool(source, tmp_path / 'a.npz', '--to-layout', 'nturgb+d')
    assert code == 0 and 'azure-kinect to nturgb+d: 23 joints copied, 2 averaged' in printed
    assert re.search('warning: .*-y points up; expected y.*turns the coordinates', printed)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--to-layout', 'coco'), "3D coordinates of layout 'nturgb+d' for layout 'coco'"),
        (('--to-layout', 'smplx'), "layout 'smplx' is not known"),
        (('--to-layout', 'smpl', '--layout', 'h36m'), "25 joints and layout 'h36m' has 17"),
        (('--layout', 'h36m'), '--layout is that of SRC for --to-layout'),
    ],
)
def test_what_has_no_map_is_rejected(tool, make_annotations, tmp_path, arguments, message):
    code, printed = tool(make_annotations(), tmp_path / 'a.npz', *arguments)
    assert code == 2 and message in printed
    assert not (tmp_path / 'a.npz').exists()
