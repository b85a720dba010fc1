"""Read predictions written by ``tools/test.py --dump``, without running code from them."""

import io
import math
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Union

import numpy as np
import torch
from scipy.special import softmax

from deeprank_plugin.datasets.safe_pickle import SafeUnpickler


class Predictions(NamedTuple):
    """Scores of N samples in the order of the file.

    Attributes:
        names: Unique names of the samples (``frame_dir``).
        scores: Probabilities of shape (N, classes), in float64.
        labels: True classes of shape (N,).
        were_logits: Whether the file held logits, converted here by softmax.
    """

    names: List[str]
    scores: np.ndarray
    labels: np.ndarray
    were_logits: bool


def _load_storage(content: bytes) -> np.ndarray:
    """Values of a tensor's storage, read by PyTorch's own safe loader."""
    storage = torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)
    if not isinstance(storage, torch.storage.TypedStorage):
        raise ValueError(f'a storage is of type {type(storage).__name__}')
    values = torch.empty(0, dtype=storage.dtype).set_(storage)
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _rebuild(storage, offset, size, stride, requires_grad, hooks, metadata=None) -> np.ndarray:
    """Copy a tensor's values to an array, checked to lie within the storage."""
    if metadata or math.prod(size) > len(storage):
        raise ValueError(f'a tensor of shape {tuple(size)} does not fit its storage')
    return torch.as_strided(torch.from_numpy(storage), size, stride, offset).numpy().copy()


class _DumpUnpickler(SafeUnpickler):
    """Also allows tensors, as arrays, but none of PyTorch's own functions."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('torch.storage', '_load_from_bytes'):
            return _load_storage  # PyTorch's own function would load anything
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
            return _rebuild
        return super().find_class(module, name)


def load_predictions(path: Union[str, Path], kind: str = 'auto') -> Predictions:
    """Read and check a dump.

    With ``kind='auto'``, scores that are not negative and sum to 1 (within 0.005, for half
    precision) in every row are probabilities and stay unchanged (``GCNHead`` dumps these by
    default); scores with negative numbers are logits and converted by softmax. Anything else, such
    as a sum of probabilities, is an error rather than a guess.

    Args:
        path (str): File written by ``tools/test.py --dump``.
        kind (str): 'auto', 'probabilities' or 'logits'. Defaults to 'auto'.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a dump of classification scores, or its content is invalid.
    """
    path = Path(path)
    samples = _read_samples(path)
    names = [str(sample['frame_dir']) for sample in samples]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f'sample {twice!r} occurs {names.count(twice)} times in {path}; expected each once: '
            'test without a RepeatDataset, with round_up=False in the sampler'
        )
    scores = _stack_scores(samples, names, path)
    labels = _take_labels(samples, names, scores.shape[1], path)
    logits = _are_logits(scores, kind, path)
    return Predictions(names, softmax(scores, axis=1) if logits else scores, labels, logits)


def _read_samples(path: Path) -> List[Dict]:
    """Read the samples of a dump, and check their required keys."""
    if not path.is_file():
        raise FileNotFoundError(
            f'dump {path} does not exist; expected a file written by tools/test.py --dump'
        )
    try:
        with path.open('rb') as file:
            samples = _DumpUnpickler(file).load()
    except Exception as error:  # damaged bytes make pickle and PyTorch raise nearly anything
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f'dump {path} is rejected: {cause}; expected a file written by tools/test.py --dump'
        ) from error
    if not (isinstance(samples, list) and samples and all(isinstance(s, dict) for s in samples)):
        raise ValueError(f'dump {path} is not a list of samples; expected one dict per sample')
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
    return samples


def _stack_scores(samples: List[Dict], names: List[str], path: Path) -> np.ndarray:
    """Scores of shape (N, classes), in float64, all finite."""
    rows = [np.asarray(sample['pred_score']) for sample in samples]
    for name, row in zip(names, rows):
        if row.dtype.kind not in 'fiu':
            raise ValueError(
                f'sample {name!r} of {path} has scores of {row.dtype}; expected numbers'
            )
    sizes = sorted({row.shape for row in rows})
    if len(sizes) > 1 or len(sizes[0]) != 1:
        raise ValueError(f'scores of {path} have the shapes {sizes}; expected one shape (classes,)')
    scores = np.stack(rows).astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(broken):
        raise ValueError(
            f'the scores of {len(broken)} samples of {path} are not finite, the first is '
            f'{names[broken[0]]!r}: the network has diverged'
        )
    return scores


def _take_labels(samples: List[Dict], names: List[str], classes: int, path: Path) -> np.ndarray:
    """True classes of shape (N,), each below the number of classes."""
    truths = [np.asarray(sample['gt_label']) for sample in samples]
    for name, truth in zip(names, truths):
        if truth.size != 1 or truth.dtype.kind not in 'iu':
            raise ValueError(
                f'sample {name!r} of {path} has gt_label {truth.tolist()!r}; expected one integer'
            )
    labels = np.array([truth.item() for truth in truths])
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        raise ValueError(
            f'sample {names[outside[0]]!r} of {path} has class {labels[outside[0]]} and scores '
            f'for {classes} classes; expected a class below that'
        )
    return labels


def _are_logits(scores: np.ndarray, kind: str, path: Path) -> bool:
    """Apply the rule of :func:`load_predictions`."""
    likely = (scores >= 0).all(axis=1) & (np.abs(scores.sum(axis=1) - 1) <= 5e-3)
    found = f'{likely.sum()} of {len(scores)} rows of {path} are not negative and sum to 1'
    if kind == 'auto':
        if likely.all():
            return False
        if (scores < 0).any() and likely.mean() < 0.5:
            return True
        raise ValueError(
            f'{found}; expected all of them (probabilities), or negative numbers (logits): set '
            '--scores, or dump with average_clips="prob" of the head'
        )
    if kind == 'probabilities' and not likely.all():
        raise ValueError(f'{found}; expected all of them, as kind is {kind!r}')
    if kind == 'logits' and likely.all():
        raise ValueError(f'{found}: a softmax would be taken twice; set kind to "probabilities"')
    if kind not in ('probabilities', 'logits'):
        raise ValueError(f'kind={kind!r}; expected "auto", "probabilities" or "logits"')
    return kind == 'logits'
