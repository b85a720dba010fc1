"""Raw files in folders and zip files, broken ones too."""

import zipfile

import pytest

from deeprank_plugin.converters.batch import BrokenFile
from tests.converters.ntu.raw_files import (
    NAMES,
    convert,
    pack,
    same,
)


def test_zip_folder_and_workers_give_the_same(folder, tmp_path):
    expected = convert(folder, tmp_path / 'a')
    archive = pack(folder, tmp_path / 'raw.zip')
    for index, kwargs in enumerate(
        [dict(sources=[archive]), dict(sources=[archive], workers=2), dict(workers=2)]
        + [dict(sources=[folder / 'more', folder / 'nturgb+d_skeletons'])]
    ):
        found = convert(folder, tmp_path / f'p{index}', **kwargs)
        assert same(found[0], expected[0]) and found[1:] == expected[1:]
    with pytest.raises(BrokenFile, match=f'sample {NAMES[0]} occurs twice'):
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
