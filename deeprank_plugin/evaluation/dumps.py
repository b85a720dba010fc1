"""Predictions that ``tools/test.py --dump`` wrote, read without running code from them."""

import io
from pathlib import Path
from typing import Any, List, NamedTuple, Union

import numpy as np
import torch

from deeprank_plugin.datasets.annotations import SafeUnpickler


class Predictions(NamedTuple):
    """Scores of N samples in the order of the file.

    Attributes:
        names: Names of the samples (``frame_dir``), each once.
        scores: Probabilities of shape (N, classes), in float64.
        labels: True classes of shape (N,).
        were_logits: Whether the file held logits, whose softmax was taken here.
    """

    names: List[str]
    scores: np.ndarray
    labels: np.ndarray
    were_logits: bool


def _load_storage(content: bytes) -> Any:
    """A tensor's storage from its bytes, by PyTorch's own safe loader."""
    return torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)


class _DumpUnpickler(SafeUnpickler):
    """Admits tensors as well."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('torch.storage', '_load_from_bytes'):
            return _load_storage  # PyTorch's own would load anything
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
            return torch._utils._rebuild_tensor_v2
        return super().find_class(module, name)


def load_predictions(path: Union[str, Path]) -> Predictions:
    """Read and check a dump.

    Scores that are not negative and sum to 1 in every row are probabilities and stay as they are
    (``GCNHead`` dumps these by default); others are logits, whose softmax is taken.

    Args:
        path (str): File that ``tools/test.py --dump`` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no dump of classification scores, or what it holds is not sound.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'dump {path} does not exist; expected a file that tools/test.py --dump wrote'
        )
    try:
        with path.open('rb') as file:
            samples = _DumpUnpickler(file).load()
    except Exception as error:  # damaged bytes make pickle and PyTorch raise nearly anything
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f'dump {path} is refused: {cause}; expected a file that tools/test.py --dump wrote'
        ) from error
    if (
        not isinstance(samples, list)
        or not samples
        or not all(isinstance(s, dict) for s in samples)
    ):
        raise ValueError(f'dump {path} is no list of samples; expected one dict for each sample')
    for key, advice in (
        ('frame_dir', "pack it: PackActionInputs(meta_keys=('sample_idx', 'frame_dir', ...))"),
        ('pred_score', 'dump the predictions of a classifier'),
        ('gt_label', 'test with labels'),
    ):
        missing = sum(key not in sample for sample in samples)
        if missing:
            raise ValueError(
                f'{missing} of {len(samples)} samples of {path} have no {key!r}; expected it in '
                f'all of them: {advice}'
            )
    names = [str(sample['frame_dir']) for sample in samples]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f'sample {twice!r} occurs {names.count(twice)} times in {path}; expected each once: '
            'test without a RepeatDataset, with round_up=False in the sampler'
        )
    rows = [np.asarray(sample['pred_score'], dtype=np.float64) for sample in samples]
    sizes = sorted({row.shape for row in rows})
    if len(sizes) > 1 or len(sizes[0]) != 1:
        raise ValueError(f'scores of {path} have the shapes {sizes}; expected one shape (classes,)')
    scores = np.stack(rows)
    broken = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(broken):
        raise ValueError(
            f'the scores of {len(broken)} samples of {path} are not finite, the first is '
            f'{names[broken[0]]!r}: the network has diverged'
        )
    labels = np.array([int(np.asarray(sample['gt_label']).item()) for sample in samples])
    outside = np.flatnonzero((labels < 0) | (labels >= scores.shape[1]))
    if len(outside):
        raise ValueError(
            f'sample {names[outside[0]]!r} of {path} has class {labels[outside[0]]} and scores '
            f'for {scores.shape[1]} classes; expected a class below that'
        )
    logits = bool((scores < 0).any() or (np.abs(scores.sum(axis=1) - 1) > 1e-3).any())
    if logits:
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    return Predictions(names, scores, labels, logits)
