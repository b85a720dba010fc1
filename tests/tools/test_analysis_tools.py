"""The analysis tools from files to figures and pictures."""

import csv
import json
import pickle

import numpy as np
import pytest
import torch

PNG = b'\x89PNG'


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Features of three streams of 20 samples in 3 classes, and a DeepCluster checkpoint."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 3
    rest = dict(labels=labels, names=[f's{i:02d}' for i in range(20)], splits=['train'] * 20)
    for noise, name in ((0.2, 'joint'), (1.0, 'bone'), (3.0, 'motion')):
        features = np.eye(4)[labels] + noise * rng.normal(size=(20, 4))
        np.savez(f'{name}.npz', features=features.astype(np.float32), **rest)
    clusters = torch.tensor(labels // 2).float()[:, None]  # classes 0 and 1 in one cluster
    bank = dict(names=rest['names'], features=clusters)
    torch.save(dict(state_dict={}, relabel=dict(bank=bank)), 'dc.pth')
    return tmp_path


@pytest.fixture
def run(call_tool):
    return lambda tool, *args: call_tool(f'analysis/{tool}.py', *args)


def is_picture(path):
    return path.read_bytes().startswith(PNG) and path.stat().st_size > 5000


def test_label_agreement(run, files):
    args = ('joint.npz', 'bone.npz', 'motion.npz', '--batch-size', '10', '--out-dir', 'out')
    code, out, err = run('label_agreement', *args, '--batches', '3')
    assert code == 0, err
    content = json.loads((files / 'out' / 'label_agreement.json').read_text())
    assert content['triplets'] == 3 * 10 * 9 * 8
    for stream in ('joint', 'bone', 'motion'):
        other, whole = (content['streams'][stream][view] for view in ('other', 'all'))
        assert other['counted'] == whole['counted'] == 2160
        assert 0 < whole['share'] < other['share'] < 1
        assert other['share'] == other['differ'] / 2160
    assert is_picture(files / 'out' / 'label_agreement.png')
    again = run('label_agreement', *args, '--batches', '3')[1]
    assert out == again
    code, _, err = run('label_agreement', 'joint.npz')
    assert code == 2 and 'expected at least 2 streams' in err


def test_class_similarity(run, files):
    (files / 'names.txt').write_text('a\nb\nc\n')
    args = ('sharp=joint.npz', 'noisy one=motion.npz', '--out-dir', 'out')
    code, out, err = run('class_similarity', *args, '--names', 'names.txt')
    assert code == 0, err
    figures = json.loads((files / 'out' / 'class_similarity.json').read_text())
    assert figures['sharp']['ratio'] < 0.5 < figures['noisy one']['ratio']
    matrix = np.loadtxt(files / 'out' / 'noisy_one.csv', delimiter=',')
    assert matrix.shape == (3, 3) and np.allclose(matrix, matrix.T)
    assert is_picture(files / 'out' / 'class_similarity.png')
    (files / 'names.txt').write_text('a\n')
    code, _, err = run('class_similarity', *args, '--names', 'names.txt')
    assert code == 2 and 'names.txt has 1 lines: expected 3' in err


def test_triplet_precision(run, files):
    args = ('sharp=joint.npz', 'noisy=motion.npz', '--out-dir', 'out', '--batch-size', '12')
    code, out, err = run(
        'triplet_precision', *args, '--batches', '4', '--clusters', 'DC, n=2=dc.pth'
    )
    assert code == 0, err
    content = json.loads((files / 'out' / 'triplet_precision.json').read_text())
    assert content['purity']['DC, n=2'] == pytest.approx(13 / 20)  # 7 of 14, and 6 of 6
    sharp, noisy = (content['triplets'][title] for title in ('sharp', 'noisy'))
    assert sharp['decisive'] > noisy['decisive'] > 0.5
    assert sharp['all'] > noisy['all'] > noisy['all_chance'] > 0.2
    assert 'the class of their cluster' in out and is_picture(
        files / 'out' / 'triplet_precision.png'
    )
    torch.save(dict(state_dict={}), 'other.pth')
    code, _, err = run('triplet_precision', *args, '--clusters', 'x=other.pth')
    assert code == 2 and 'holds no clusters; expected a checkpoint of DeepCluster' in err


def test_clusters_have_a_title_of_their_own(run, files):
    args = ('triplet_precision', 'dc=joint.npz', '--out-dir', 'out', '--clusters', 'dc.pth')
    for more in ((), ('x=dc.pth', 'x=dc.pth')):
        code, _, err = run(*args, *more)
        assert code == 2 and "2 files have the title 'dc'; expected one of each" in err


def test_precision_needs_decisive_triplets(run, files):
    rest = dict(names=[f's{i}' for i in range(20)], splits=['train'] * 20)
    random = np.random.default_rng(0).normal(size=(20, 4))
    alike = np.ones((20, 4))
    for labels, features in ((np.ones(20, int), random), (range(20), random), ([0, 1] * 10, alike)):
        np.savez('x.npz', features=features, labels=list(labels), **rest)
        code, _, err = run('triplet_precision', 'x.npz', '--batch-size', '9', '--out-dir', 'out')
        assert code == 2 and 'x: no triplet of the batches has exactly one candidate' in err
    assert not (files / 'out' / 'triplet_precision.json').exists()


@pytest.mark.parametrize('tool', ['class_similarity', 'tsne'])
def test_names_that_are_not_there(run, files, tool):
    code, _, err = run(tool, 'joint.npz', '--names', 'none.txt', '--out-dir', 'out')
    assert code == 2 and err.startswith('error: --names none.txt cannot be read')
    (files / 'names.txt').write_text('a\n')
    options = ('--perplexity', '4') if tool == 'tsne' else ()
    code, _, err = run(tool, 'joint.npz', '--names', 'names.txt', *options)
    assert code == 2 and 'names.txt has 1 lines: expected 3' in err


def test_matrices_of_titles_that_differ_in_signs_only(run, files):
    code, _, err = run('class_similarity', 'a b=joint.npz', 'a_b=motion.npz', '--out-dir', 'out')
    assert code == 0, err
    found = [np.loadtxt(files / 'out' / f'{name}.csv', delimiter=',') for name in ('a_b', 'a_b_2')]
    assert found[0][0, 1] != found[1][0, 1]


def test_tsne(run, files):
    args = ('sharp=joint.npz', 'noisy=motion.npz', '--out-dir', 'out', '--perplexity', '4')
    code, out, err = run('tsne', *args, '--classes', '0', '2')
    assert code == 0, err
    rows = list(csv.DictReader((files / 'out' / 'tsne.csv').open()))
    assert len(rows) == 13 and {row['class'] for row in rows} == {'0', '2'}
    assert list(rows[0]) == ['name', 'class', 'sharp x', 'sharp y', 'noisy x', 'noisy y']
    assert is_picture(files / 'out' / 'tsne.png')
    code, _, err = run('tsne', 'joint.npz', '--perplexity', '20')
    assert code == 2 and '20 samples for a perplexity of 20' in err


def test_tsne_of_one_cluster(run, files):
    # cluster = label // 2: cluster 0 holds classes 0 and 1 (14 samples), cluster 1 class 2 alone
    args = ('A=joint.npz', 'B=motion.npz', '--out-dir', 'out', '--perplexity', '4')
    code, out, err = run('tsne', *args, '--cluster-of', 'dc.pth')
    assert code == 0, err
    assert 'cluster 0: 14 samples, including 7 of class 0 and 7 of class 1' in out
    rows = list(csv.DictReader((files / 'out' / 'tsne.csv').open()))
    assert [row['name'] for row in rows] == [f's{i:02d}' for i in range(20) if i % 3 < 2]
    torch.save(dict(state_dict={}), 'other.pth')
    for path, message in (('other.pth', 'holds no clusters'), ('no.pth', 'does not exist')):
        code, _, err = run('tsne', *args, '--cluster-of', path)
        assert code == 2 and message in err
    bank = dict(names=[f's{i:02d}' for i in range(20)], features=torch.arange(20.0)[:, None])
    torch.save(dict(state_dict={}, relabel=dict(bank=bank)), 'alone.pth')
    code, _, err = run('tsne', *args, '--cluster-of', 'alone.pth')
    assert code == 2 and 'no cluster of the checkpoint holds features of two classes' in err


def test_nearest_neighbors(run, files):
    rng = np.random.default_rng(1)
    annotations = [
        dict(
            frame_dir=f's{i:02d}',
            label=i % 3,
            total_frames=9,
            keypoint=rng.normal(size=(1, 9, 25, 3)).astype(np.float32),
        )
        for i in range(20)
    ]
    (files / 'ann.pkl').write_bytes(pickle.dumps(annotations))
    args = ('joint.npz', 'ann.pkl', '--number', '4', '--out-dir', 'out')
    code, out, err = run('nearest_neighbors', *args, '--query', 's04')
    assert code == 0, err
    content = json.loads((files / 'out' / 'nearest_neighbors.json').read_text())
    features = np.load('joint.npz')['features'].astype(float)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = {f's{i:02d}': 1 - unit[i] @ unit[4] for i in range(20) if i != 4}
    expected = sorted(distances, key=distances.get)[:4]
    assert [n['name'] for n in content['neighbours']] == expected
    for neighbour in content['neighbours']:
        assert neighbour['same_class'] == (int(neighbour['name'][1:]) % 3 == 1)
        assert neighbour['distance'] == pytest.approx(distances[neighbour['name']], abs=1e-6)
    assert is_picture(files / 'out' / 'nearest_neighbors.png')
    for extra, message in (
        (('--query', 'none'), "--query 'none': expected a name, or a number below 20"),
        (('--number', '20'), '--number 20: expected 1 to 19'),
        (('--across',), '--number 4: expected 1 to 0'),
        (('--stream', '1'), "--stream '1': expected one of joint, 0"),
    ):
        code, _, err = run('nearest_neighbors', *args, *extra)
        assert code == 2 and message in err
    bone = np.load('bone.npz')
    both = np.stack([features, bone['features']], axis=1).astype(np.float32)
    np.savez('both.npz', **{**bone, 'features': both, 'streams': ['joint', 'bone']})
    found = []
    for options in (['bone.npz'], ['both.npz', '--stream', 'bone'], ['both.npz', '--stream', '1']):
        code, _, err = run('nearest_neighbors', options[0], *args[1:], *options[1:])
        assert code == 0, err
        found.append((files / 'out' / 'nearest_neighbors.json').read_text())
    assert [json.loads(text)['neighbours'] for text in found[1:]] == 2 * [
        json.loads(found[0])['neighbours']
    ]


@pytest.mark.parametrize(
    'tool', ['label_agreement', 'class_similarity', 'triplet_precision', 'tsne']
)
def test_a_file_that_is_not_there(run, files, tool):
    code, _, err = run(tool, 'none.npz')
    assert code == 2 and err.startswith('error: none.npz cannot be read') and err.count('\n') == 1
