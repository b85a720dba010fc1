#!/usr/bin/env python
"""Write scikit-learn's 1,797 handwritten digits in the format of CIFAR-100's Python version.

8 x 8 pixels become 32 x 32 of three equal channels; the first 1,297 digits are train, the other
500 are test. The folder is a small data set to try this project with.

Example:
    python projects/cifar100/make_digits.py data/digits-python
"""

import argparse
import pickle
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from deeprank_plugin.command_line import require_writable

TRAIN = 1297


def write_digits(folder: Path) -> None:
    """Write train, test and meta."""
    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)
    images = np.kron(images, np.ones((1, 4, 4), dtype=np.uint8))
    rows = np.repeat(images[:, None], 3, axis=1).reshape(len(images), -1)
    labels = digits.target.tolist()
    parts = dict(train=slice(None, TRAIN), test=slice(TRAIN, None))
    for name, part in parts.items():
        content = dict(data=rows[part], fine_labels=labels[part])
        (folder / name).write_bytes(pickle.dumps(content, protocol=4))
    meta = dict(fine_label_names=[str(digit) for digit in range(10)])
    (folder / 'meta').write_bytes(pickle.dumps(meta, protocol=4))


def main() -> None:
    """Write the files and report them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, help='where train, test and meta are written')
    args = parser.parse_args()
    require_writable(str(args.folder), 'folder', 'another name')
    write_digits(args.folder)
    print(f'{args.folder}: train ({TRAIN} digits), test (500), meta')


if __name__ == '__main__':
    main()
