"""Raw files in folders and zip files, broken ones too."""

import zipfile
from pathlib import Path

import pytest

from deeprank_plugin.converters import ntu
from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.datasets.annotation_writing import require_same
from tests.converters.ntu.raw_files import FIRST, SECOND, body, write_raw

NAMES = [
    f'S{setup:03d}C{camera:03d}P{subject:03d}R001A{action:03d}'
    for setup, subject, action in ((1, 1, 5), (2, 3, 60), (17, 40, 1))
    for camera in (1, 2)
]


@pytest.fixture
def folder(tmp_path):
    """Six samples in two folders, and what is to be passed over."""
    for index, name in enumerate(NAMES):
        bodies = {FIRST: body(index, 14 + index), SECOND: body(index + 9, 5 + 4 * index)}
        inner = 'nturgb+d_skeletons' if index % 2 else 'more'
        write_raw(tmp_path / 'raw' / inner / f'{name}.skeleton', bodies, 14 + 5 * index)
    (tmp_path / 'raw' / 'notes.txt').write_text('x')
    (tmp_path / 'raw' / f'._{NAMES[0]}.skeleton').write_text('x')
    return tmp_path / 'raw'


def convert(folder, parts, **kwargs):
    kwargs = dict(dict(dataset='ntu60', missing=[], workers=1), **kwargs)
    sources = kwargs.pop('sources', [folder])
    return ntu.convert_files(sources, folder=parts, **kwargs)


def same(one, other):
    """Whether two contents are the same."""
    try:
        require_same(one, other)
    except ValueError:
        return False
    return True


def pack(folder, path):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob('*')):
            if file.is_file():
                archive.write(file, Path('nturgb+d_skeletons') / file.name)
    return path


def test_zip_folder_and_workers_give_the_same(folder, tmp_path):
    expected = convert(folder, tmp_path / 'a')
    archive = pack(folder, tmp_path / 'raw.zip')
    for index, kwargs in enumerate(
        [dict(sources=[archive]), dict(sources=[archive], workers=2), dict(workers=2)]
        + [dict(sources=[folder / 'more', folder / 'nturgb+d_skeletons'])]
    ):
        found = convert(folder, tmp_path / f'p{index}', **kwargs)
        assert same(found[0], expected[0]) and found[1:] == expected[1:]
    with pytest.raises(BrokenFile, match=f'sample {NAMES[0]} is there twice'):
        convert(folder, tmp_path / 'b', sources=[folder, archive])


def test_broken_zip_files(folder, tmp_path):
    path = pack(folder, tmp_path / 'raw.zip')
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f'nturgb+d_skeletons/{NAMES[3]}.skeleton')
    data = bytearray(path.read_bytes())
    data[info.header_offset + 200] ^= 255
    path.write_bytes(data)
    with pytest.raises(BrokenFile, match=f'{NAMES[3]}.skeleton cannot be unpacked'):
        convert(folder, tmp_path / 'p', sources=[path])
    content, faults, _, _ = convert(folder, tmp_path / 'p', sources=[path], skip_bad=True)
    assert len(content['annotations']) == 5 and len(faults) == 1
    path.write_bytes(data[:-100])
    with pytest.raises(BrokenFile, match='raw.zip cannot be read .*expected a zip file'):
        convert(folder, tmp_path / 'p', sources=[path])
