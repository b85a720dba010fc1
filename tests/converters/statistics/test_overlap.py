"""What two splits share, against hand-made examples."""

import numpy as np

from deeprank_plugin.converters.statistics.overlap import (
    compare_pair,
    compare_pairs,
    content_hash,
    subject_of,
)


def test_subjects():
    assert subject_of(dict(frame_dir='x', subject='mm')) == 'mm'
    assert subject_of(dict(frame_dir='S001C002P013R001A060')) == '13'
    assert subject_of(dict(frame_dir='x')) is None


def test_hash_tells_contents_apart():
    first = np.arange(24, dtype=np.float32).reshape(1, 4, 2, 3)
    hashes = {
        content_hash(dict(keypoint=keypoint))
        for keypoint in (
            first,
            first.copy(),
            np.asfortranarray(first),  # the same content
            first.reshape(1, 2, 4, 3),
            first.view(np.int32),
            first + 1,
        )
    }
    assert len(hashes) == 4


def test_compare_pair_by_hand():
    def sample(name, subject, label):
        return dict(frame_dir=name, subject=subject, label=label)

    hashes = dict(a='1', b='2', c='1', d='3', e='3')
    train = [sample('a', 1, 0), sample('b', 2, 1), sample('e', 2, 1)]
    test = [sample('c', 2, 0), sample('d', 3, 4), sample('e', 2, 1)]
    assert compare_pair(train, test, hashes) == dict(
        samples=['e'], subjects=['2'], duplicates=[('a', 'c'), ('e', 'd')], classes=[4]
    )


def test_compare_pairs_by_hand():
    def sample(name, number):
        keypoint = np.full((1, 2, 3, 3), number)
        return dict(frame_dir=name, subject=name, label=0, keypoint=keypoint)

    parts = dict(xsub_train=[sample('a', 1)], xsub_val=[sample('b', 1)], other_val=[sample('c', 1)])
    found = compare_pairs(parts)
    assert list(found) == ['xsub_train, xsub_val']
    assert found['xsub_train, xsub_val']['duplicates'] == [('a', 'b')]
    plain = dict(train=parts['xsub_train'], val=parts['xsub_val'], test=parts['xsub_train'])
    found = compare_pairs(plain)
    assert found['train, val']['duplicates'] == [('a', 'b')]
    assert found['train, test']['samples'] == ['a']
