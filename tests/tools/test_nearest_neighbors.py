"""Retrieval with an encoder: a query recording against a folder or an annotation file."""

import functools
import json
import pickle

import numpy as np
import pytest

from deeprank_plugin import visualization
from deeprank_plugin.apis import extract_features, init_model

PNG = b'\x89PNG'


@pytest.fixture(autouse=True)
def _few_frames(monkeypatch):
    """Pictures of two frames a row take a quarter of the time."""
    few = functools.partial(visualization.draw_skeletons, frames=2)
    monkeypatch.setattr(visualization, 'draw_skeletons', few)


@pytest.fixture
def run(call_tool, tiny_model, tmp_path, monkeypatch):
    """Run the tool in this process with an encoder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(data, *arguments):
        encoder = tiny_model / 'config.py', data, '--checkpoint', tiny_model / 'weights.pth'
        return call_tool('analysis/nearest_neighbors.py', *encoder, *arguments, '--out-dir', 'out')

    return call


@pytest.fixture
def walks(tmp_path):
    """Eight walks in a folder, one of them again as a query, and all with labels in a pickle."""
    rng = np.random.default_rng(0)
    walks = [3 * rng.normal(size=(1, 12, 25, 3)).cumsum(axis=1) for _ in range(8)]
    walks = [walk.astype(np.float32) for walk in walks]
    (tmp_path / 'folder').mkdir()
    for index, walk in enumerate(walks):
        np.save(tmp_path / 'folder' / f'w{index}.npy', walk)
    np.save(tmp_path / 'again.npy', walks[3])
    np.savez(tmp_path / 'several.npz', a=walks[0], b=walks[1])
    annotations = [
        dict(frame_dir=f'w{i}', label=i % 2, total_frames=12, keypoint=walk)
        for i, walk in enumerate(walks)
    ]
    names = [annotation['frame_dir'] for annotation in annotations]
    content = dict(split=dict(all=names), annotations=annotations)
    (tmp_path / 'data.pkl').write_bytes(pickle.dumps(content))
    return walks


def read(tmp_path):
    assert (tmp_path / 'out' / 'nearest_neighbors.png').read_bytes().startswith(PNG)
    return json.loads((tmp_path / 'out' / 'nearest_neighbors.json').read_text())


def test_a_recording_against_a_folder(run, walks, tiny_model, tmp_path):
    code, out, err = run('folder', '--query', 'again.npy', '--number', '3')
    assert code == 0, err
    content = read(tmp_path)
    model = init_model(tiny_model / 'config.py', str(tiny_model / 'weights.pth'))
    features = extract_features(model, walks).astype(float)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = 1 - unit @ unit[3]
    expected = [f'w{i}' for i in np.argsort(distances) if i != 3][:3]  # no neighbour of itself
    assert content['query'] == 'again' and content['label'] is None
    assert [n['name'] for n in content['neighbours']] == expected
    for neighbour in content['neighbours']:
        place = int(neighbour['name'][1:])
        assert neighbour['distance'] == pytest.approx(distances[place], rel=1e-3)
        assert neighbour['label'] is None and neighbour['same_class'] is None
    assert f'1. {expected[0]}: {content["neighbours"][0]["distance"]:.4f}\n' in out


def test_a_sample_against_the_others_of_its_file(run, walks, tmp_path):
    code, out, err = run('data.pkl', '--query', 'w3', '--number', '1')
    assert code == 0, err
    content = read(tmp_path)
    assert content['query'] == 'w3' and content['label'] == 1
    first = content['neighbours'][0]
    assert first['label'] == int(first['name'][1:]) % 2
    assert first['same_class'] == (first['label'] == 1)
    verdict = 'same class' if first['same_class'] else 'OTHER class'
    assert f'1. {first["name"]}: action {first["label"]}, {verdict}, ' in out
    # the query has no label here: the neighbours keep theirs
    code, out, _ = run('data.pkl', '--query', 'again.npy', '--number', '1')
    assert code == 0 and read(tmp_path)['neighbours'][0] == dict(first, same_class=None)


def test_classes_have_the_names_of_their_file(run, walks, tmp_path):
    content = pickle.loads((tmp_path / 'data.pkl').read_bytes())
    (tmp_path / 'data.pkl').write_bytes(pickle.dumps(dict(content, label_names=['sit', 'stand'])))
    code, out, err = run('data.pkl', '--query', 'w3', '--number', '7')
    assert code == 0 and ': sit, OTHER' in out and ': stand, same' in out and 'action' not in out
    query = dict(content['annotations'][3], keypoint=1 + walks[3])
    content = dict(split={}, annotations=[query], label_names=['stand', 'sit'])
    (tmp_path / 'query.pkl').write_bytes(pickle.dumps(content))
    code, _, err = run('data.pkl', '--query', 'query.pkl')
    assert code == 2 and "class 0 is 'stand' in the file of 'w3' and 'sit' in that of" in err


def test_features_of_any_layout(call_tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = [f's{i}' for i in range(4)]
    rest = dict(labels=[0, 1, 0, -1], names=names, splits=['train'] * 4)
    np.savez('f.npz', features=rng.normal(size=(4, 5)), **rest)
    tool = functools.partial(call_tool, 'analysis/nearest_neighbors.py', 'f.npz', 'data.pkl')
    for joints, options, message in (
        (17, ('--layout', 'coco'), None),
        (25, (), None),  # metres: not those of OpenPose
        (7, (), 'which fit no known layout; expected'),
        (17, ('--layout', 'openpose'), 'has 17 joints and --layout openpose 18'),
        (17, ('--layout', 'moon'), "layout 'moon' is not known"),
    ):
        annotations = [
            dict(frame_dir=n, total_frames=4, keypoint=rng.normal(size=(1, 4, joints, 3)))
            for n in names
        ]
        (tmp_path / 'data.pkl').write_bytes(pickle.dumps(annotations))
        code, _, err = tool('--number', '3', '--out-dir', 'out', *options)
        if message is None:
            assert code == 0, err
            found = {n['name']: (n['label'], n['same_class']) for n in read(tmp_path)['neighbours']}
            assert found == dict(s1=(1, False), s2=(0, True), s3=(None, None))
        else:
            assert code == 2 and message in err and err.count('\n') == 1


def test_a_query_in_other_units_and_axes(run, walks, tmp_path):
    stick = np.random.default_rng(0).normal(0, 0.02, (1, 12, 25, 3)).astype(np.float32)
    stick[..., 1] += np.linspace(0.7, -1, 25)
    for index in range(8):  # head up, metres
        np.save(tmp_path / 'folder' / f'w{index}.npy', stick + np.float32(0.1 * index))
    np.save(tmp_path / 'again.npy', stick * [1, -1000, 1])
    _, _, err = run('folder', '--query', 'again.npy', '--number', '1')
    assert 'bodies of the query measure 1' in err and 'scale=0.001 converts' in err
    assert 'head of the query' in err and '-y points up' in err
    _, _, err = run('folder', '--query', '3', '--number', '1')
    assert 'the query' not in err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('none',), 'none does not exist'),
        (('folder', '--query', 'none.npy'), "--query 'none.npy': expected a name, or a number"),
        (('folder', '--query', 'several.npz'), 'several.npz holds 2 sequences; expected one'),
        (('folder', '--number', '8'), '--number 8: expected 1 to 7'),
        (('folder', '--stream', 'bone'), "--stream 'bone': expected one of joint, 0"),
        (('folder', '--across'), '--across needs the splits'),
        (('folder', '--checkpoint', 'none.pth'), "checkpoint 'none.pth' does not exist"),
        (('folder', '--names', 'none.txt'), 'none.txt'),
    ],
)
def test_mistakes_are_one_sentence(run, walks, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2 and message in err.splitlines()[-1], err


def test_a_config_needs_a_checkpoint(call_tool):
    code, _, err = call_tool('analysis/nearest_neighbors.py', 'config.py', 'data.pkl')
    assert code == 2 and 'config.py is a config; expected --checkpoint' in err
