"""Damaged and odd annotation files: read, or rejected by a ValueError, and never a crash.

Inputs are drawn by seed and number, and tried in child processes, so that a crash within NumPy or
pickle is found and its input named. ``DEEPRANK_FUZZ=100000`` tries as many of each kind.
"""

import collections
import io
import os
import pickle
import random
import resource
import signal
import struct
import traceback
import zipfile

import numpy as np
import pytest

from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_npz

FUZZ = int(os.environ.get('DEEPRANK_FUZZ', 300))
SECONDS = 20  # that one input may take


def make_content(rng, extras=True):
    """A small file's content, with all that an annotation may hold."""
    annotations = []
    for index in range(3):
        frames = int(rng.integers(2, 4))
        annotation = dict(
            frame_dir=f's{index}',
            label=index,
            total_frames=frames,
            keypoint=rng.normal(size=(1, frames, 4, 2)).astype(np.float32),
            keypoint_score=rng.normal(size=(1, frames, 4)).astype(np.float32),
        )
        if extras:
            annotation.update(
                subject=np.int64(index),
                img_shape=(1080, 1920),
                big=np.arange(3, dtype='>f8'),
                text=np.array(['a', 'bc']),
                objects=np.array([{'a': np.ones(2)}, 'b', None], dtype=object),
                columns=np.asfortranarray(np.ones((2, 3))),
                half=np.float16([1, 2]),
                some={1, 2},
                ordered=collections.OrderedDict(a=[1.5, True]),
                raw=bytearray(b'ab'),
            )
        annotations.append(annotation)
    names = [annotation['frame_dir'] for annotation in annotations]
    return dict(split=dict(train=names[:2], val=names[2:]), annotations=annotations)


def damage(rng, data):
    """The same bytes after a few changes, most of them where types and lengths are stated."""
    data = bytearray(data)
    marks = [
        b'numpy',
        b'dtype',
        b'f4',
        b'f8',
        b'O8',
        b'U2',
        b'descr',
        b'shape',
        b'PK',
        b'R(K',
        b'tb',
    ]
    for _ in range(rng.choice((1, 1, 2, 3, 10))):
        place = rng.randrange(len(data))
        if rng.random() < 0.6:
            found = data.find(rng.choice(marks), rng.randrange(len(data)))
            place = (
                min(max(found, 0) + rng.randrange(-4, 40), len(data) - 1) if found >= 0 else place
            )
            place = max(place, 0)
        kind = rng.randrange(8)
        if kind < 2:
            data[place] = rng.randrange(256)
        elif kind == 2:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 3:  # opcodes of pickle, digits and signs of headers
            data[place] = rng.choice(
                b'0123456789<>=|()[]{}.NKMJCBXqrhjRbtaesu}]\x81\x85\x86\x93\x94\x95\x96'
            )
        elif kind == 4:
            del data[place : place + rng.choice((1, 2, 8, 100))]
        elif kind == 5:
            data[place:place] = rng.choice(
                (
                    b'\xff' * 4,
                    b'\x00' * 8,
                    b'\x7f' * 8,
                    b'0' * 9,
                    b'\x94',
                    b'b',
                    b'R',
                    b'(',
                    b'N',
                    b'9' * 20,
                )
            )
        elif kind == 6:
            start = rng.randrange(len(data))
            data[place:place] = data[start : start + rng.choice((1, 8, 40, 400))]
        else:
            width, code = rng.choice(((2, '<H'), (4, '<I'), (8, '<Q')))
            value = rng.choice((0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 100, 4096))
            data[place : place + width] = struct.pack(code, value)
        data = data or bytearray(b'.')
    return bytes(data)


def odd_value(rng, depth=0):
    """Anything that a pickle of plain types and arrays may hold."""
    simple = [
        None, True, 0, -1, 3, 2**70, 1.5, float('nan'), '', 's0', 's1', b'', b's0', 1j,
        np.float32(2), np.int8(-3), np.str_('s0'), (), [], {}, set(), frozenset({1}),
    ]  # fmt: skip
    shapes = [
        (),
        (0,),
        (3,),
        (1, 2, 4, 2),
        (1, 2, 4, 3),
        (2, 0, 4, 2),
        (0, 2, 4, 2),
        (1, 2, 4),
        (5, 5),
    ]
    kind = rng.randrange(6 if depth < 3 else 4)
    if kind < 3:
        return rng.choice(simple)
    if kind == 3:
        dtype = rng.choice(['f4', 'f2', '>f8', 'i4', 'u1', '?', 'U3', 'S2', 'c8', 'O'])
        array = np.zeros(rng.choice(shapes), dtype)
        return array + rng.choice((0, 1)) if array.dtype.kind in 'fiu' else array
    parts = [odd_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 4:
        return rng.choice((list, tuple))(parts)
    keys = ('label', 'keypoint', 'frame_dir', 'total_frames', 'split', 'annotations', 1, None, ())
    return {rng.choice(keys): part for part in parts}


def change_somewhere(rng, content):
    """Put an odd value in place of one of the parts of a content, or take the part away."""
    node = content
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        part = node[key]
        if isinstance(part, (dict, list)) and part and rng.random() < 0.8:
            node = part
            continue
        if rng.random() < 0.15:
            del node[key]
        elif rng.random() < 0.2 and isinstance(node, dict):
            node[rng.choice(('filename', 'label_names', 7, None))] = odd_value(rng)
        else:
            node[key] = odd_value(rng)
        return


PICKLES = [
    pickle.dumps(make_content(np.random.default_rng(0), extras), protocol=protocol)
    for protocol in (2, 4, 5)
    for extras in (True, False)
]


def damaged_pickle(rng):
    return '.pkl', damage(rng, rng.choice(PICKLES))


def odd_pickle(rng):
    content = make_content(np.random.default_rng(rng.randrange(10)), extras=False)
    for _ in range(rng.choice((1, 1, 2, 4))):
        change_somewhere(rng, content)
    content = rng.choice(
        (
            content,
            content,
            content,
            content.get('annotations'),
            odd_value(rng),
        )
    )
    return '.pkl', pickle.dumps(content, protocol=rng.choice((2, 4, 5)))


def damaged_npz(rng):
    return '.npz', damage(rng, rng.choice(NPZ))


def odd_npz(rng):
    """Arrays of an .npz replaced by others."""
    with np.load(io.BytesIO(rng.choice(NPZ)), allow_pickle=False) as file:
        arrays = dict(file)
    for _ in range(rng.choice((1, 1, 2, 4))):
        name = rng.choice([*arrays, 'file/label_names', 'sample/filename', 'more'])
        if rng.random() < 0.2:
            arrays.pop(name, None)
            continue
        value = odd_value(rng)
        try:
            arrays[name] = np.asarray(value)
        except ValueError:  # ragged
            arrays[name] = np.zeros(3, object)
        if rng.random() < 0.5:  # of the right length
            arrays[name] = np.resize(arrays[name], (rng.choice((1, 3)), *arrays[name].shape[1:]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=True)
            archive.writestr(f'{name}.npy', member.getvalue())
    return '.npz', buffer.getvalue()


NPZ = []


@pytest.fixture(autouse=True, scope='module')
def npz_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('npz')
    for number in range(2):
        content = make_content(np.random.default_rng(0), extras=False)
        if number:
            for index, annotation in enumerate(content['annotations']):
                annotation.update(
                    subject=np.int64(index), img_shape=(1080, 1920), text='ab'[:index]
                )
        write_npz(content, folder / 'a.npz')
        NPZ.append((folder / 'a.npz').read_bytes())


def read(path):
    """Whether a file was rejected as it should be; everything else is raised."""
    try:
        dataset = SkeletonDataset(path, pipeline=[], split='train', serialize_data=False)
        assert all(dataset.get_data_info(i)['keypoint'].ndim == 4 for i in range(len(dataset)))
    except ValueError as error:
        assert 'expected' in str(error), error
        return True
    return False


def try_in_child(make, numbers, folder):
    """Try some inputs in a forked process.

    Returns:
        tuple: How many were rejected, and the number of the one that ended the process with what it
        said, or None.
    """
    report = folder / 'report'
    report.write_bytes(struct.pack('<qq', 0, -1))
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            with open('/proc/self/statm') as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            handle, rejected = os.open(report, os.O_RDWR), 0
            for number in numbers:
                os.pwrite(handle, struct.pack('<qq', rejected, number), 0)
                signal.alarm(SECONDS)
                ending, data = make(random.Random(number))
                path = folder / f'a{ending}'
                path.write_bytes(data)
                rejected += read(str(path))
            signal.alarm(0)
            os.pwrite(handle, struct.pack('<qq', rejected, -1), 0)
            os._exit(0)
        except BaseException:
            os.pwrite(handle, traceback.format_exc()[-3000:].encode(), 16)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    content = report.read_bytes()
    rejected, number = struct.unpack('<qq', content[:16])
    if number < 0:
        return rejected, None
    ended = os.waitstatus_to_exitcode(status)
    said = content[16:].decode(errors='replace') if ended == 1 else signal.strsignal(-ended)
    return rejected, (number, said)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('make', [damaged_pickle, odd_pickle, damaged_npz, odd_npz])
def test_every_file_is_read_or_rejected(tmp_path, make):
    number, rejected, found = 0, 0, []
    while number < FUZZ and len(found) < 20:
        some, fault = try_in_child(make, range(number, min(FUZZ, number + 5000)), tmp_path)
        rejected += some
        if fault is None:
            number += 5000
        else:
            found.append(fault)
            number = fault[0] + 1
    print(f'{make.__name__}: {min(number, FUZZ)} inputs, {rejected} rejected, {len(found)} faults')
    assert not found, '\n\n'.join(f'input {number}: {said}' for number, said in found)
    assert 0.1 * FUZZ < rejected < FUZZ
