"""A folder of each kind of file."""

import numpy as np
import pytest

from tests.converters.generic.sequences import walk, write_list


@pytest.fixture
def folder(tmp_path):
    """Four sequences of NTU's layout, one of each kind of file."""
    arrays = [walk(5, 25, 3), walk(2, 6, 25, 3), walk(7, 25, 3), walk(4, 25, 3)]
    np.save(tmp_path / 'a.npy', arrays[0])
    np.savez(tmp_path / 'b.npz', keypoint=arrays[1])
    (tmp_path / 'deep').mkdir()
    names = ','.join(f'j{j}{axis}' for j in range(25) for axis in 'xyz')
    rows = [','.join(repr(float(v)) for v in frame.ravel()) for frame in arrays[2]]
    (tmp_path / 'deep' / 'c.csv').write_bytes('\r\n'.join([names, *rows]).encode())
    np.save(tmp_path / 'd.npy', arrays[3].reshape(4, 75).astype(np.float32))
    write_list(tmp_path, ['a.npy,wave,1', 'b.npz,bow,1', 'deep/c.csv,bow,2', 'd.npy,wave,2'])
    return tmp_path, arrays
