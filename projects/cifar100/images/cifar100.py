"""CIFAR-100 (Krizhevsky, 2009), from the files of its Python version."""

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np
from mmaction.registry import DATASETS

from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.safe_pickle import SafeUnpickler

SPLITS = ('train', 'test')
SIZE = (3, 32, 32)
KEYS = ('data', 'fine_labels')


def load(path: Path) -> Dict[str, Any]:
    """Load a file of the Python version; it may hold arrays and plain values, but no code.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it cannot be read.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist; expected the folder cifar-100-python with the files train, '
            'test and meta, as its authors distribute it ("CIFAR-100 python version")'
        )
    try:
        with open(path, 'rb') as file:
            content = SafeUnpickler(file, encoding='latin1').load()
    except Exception as error:  # damaged pickles raise many kinds of errors
        raise ValueError(
            f'{path} cannot be read ({str(error) or type(error).__name__}); expected a file of '
            'CIFAR-100, python version'
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} holds a {type(content).__name__}; expected a dict')
    return {key.decode() if isinstance(key, bytes) else str(key): v for key, v in content.items()}


def read_split(folder: Path, split: str) -> Tuple[np.ndarray, List[int], List[str]]:
    """Images and labels of one file.

    Returns:
        tuple: Images of shape (N, 32, 32, 3) in uint8, fine labels, and names of the classes.

    Raises:
        ValueError: If the files do not have CIFAR-100's content.
    """
    content, meta = load(folder / split), load(folder / 'meta')
    missing = [key for key in KEYS if key not in content]
    if missing or 'fine_label_names' not in meta:
        raise ValueError(
            f'{folder / split} has the keys {sorted(content)} and meta {sorted(meta)}; expected '
            'data and fine_labels, and fine_label_names'
        )
    images, labels = np.asarray(content['data']), list(content['fine_labels'])
    length = int(np.prod(SIZE))
    if images.dtype != np.uint8 or images.shape != (len(labels), length) or not labels:
        raise ValueError(
            f'{folder / split} holds data of shape {images.shape} and type {images.dtype} for '
            f'{len(labels)} labels; expected (N, {length}) of uint8, one row a label'
        )
    names = list(meta['fine_label_names'])
    wrong = [label for label in labels if not 0 <= label < len(names)]
    if wrong:
        raise ValueError(
            f'{folder / split} has the label {wrong[0]}; expected 0 to {len(names) - 1}, since '
            f'meta names {len(names)} classes'
        )
    return images.reshape(-1, *SIZE).transpose(0, 2, 3, 1), labels, names


@DATASETS.register_module()
class CIFAR100(SkeletonDataset):
    """Images with their fine labels; otherwise a ``SkeletonDataset``.

    A sample is ``dict(img=(32, 32, 3) uint8, label=..., frame_dir='train_00000', ...)``.

    Args:
        ann_file (str): The folder cifar-100-python.
        pipeline (list): Transforms.
        split (str or list[str]): 'train', 'test', or both.
        **kwargs: As for ``SkeletonDataset``.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file has other content, or a split is unknown.
    """

    def __init__(
        self, ann_file: str, pipeline: List, split: Union[str, Sequence[str]] = 'train', **kwargs
    ) -> None:
        super().__init__(ann_file, pipeline, split=split, **kwargs)

    def load_data_list(self) -> List[Dict]:
        """Read and select."""
        infos = []
        for split in [self.split] if isinstance(self.split, str) else self.split:
            if split not in SPLITS:
                raise ValueError(f'split={split!r} is not known; expected one of {SPLITS}')
            images, labels, names = read_split(Path(self.ann_file), split)
            if self.num_classes is not None and len(names) > self.num_classes:
                raise ValueError(
                    f'{self.ann_file} has {len(names)} classes and num_classes is '
                    f'{self.num_classes}; expected at least {len(names)}'
                )
            self._metainfo['classes'] = names
            for index, (image, label) in enumerate(zip(images, labels)):
                name = f'{split}_{index:05d}'
                infos.append(dict(frame_dir=name, split=split, label=int(label), img=image))
        return self.select(infos)

    def read_sample(self, info: Dict) -> Dict:
        """Return the sample, which already has the image."""
        return info
