"""The frozen features from which labels derive."""

import hashlib
from typing import Dict, List, Optional, Sequence

import torch
from torch import Tensor

from .transfer import to_device


class FeatureBank:
    """Frozen features of the training split; the row is the index of the sample (``sample_idx``).

    It is neither a parameter nor a buffer, because MMAction2's runtime averages every buffer over
    the processes at each epoch. ``RelabelHook`` saves it in checkpoints.

    Args:
        names (Sequence[str]): Sample name of each row, N in all. Reading checks names, so the
            features of another data set are never used by mistake.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names: List[str] = list(names)
        self._row_of = {name: row for row, name in enumerate(self.names)}
        if len(self._row_of) != len(self.names):
            twice = next(n for i, n in enumerate(self.names) if self._row_of[n] != i)
            raise ValueError(
                f'sample {twice!r} occurs twice in the training split; expected unique names: '
                'remove one of the two from the annotation file'
            )
        self.features: Optional[Tensor] = None

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device) -> 'FeatureBank':
        """This bank, its features moved to a device and kept there."""
        if self.features is not None:
            self.features = self.features.to(device)
        return self

    def write(self, features: Tensor) -> None:
        """Replace all rows at once.

        Args:
            features (Tensor): Features of shape (N, D), or (N, S, D) of S encoders, N the number of
                names.

        Raises:
            ValueError: If there are not N rows, or if a value is NaN or infinite.
        """
        if features.dim() not in (2, 3) or features.shape[0] != len(self):
            raise ValueError(
                f'features of shape {tuple(features.shape)} do not fit a bank of {len(self)} '
                'samples; expected one row for each sample of the training split'
            )
        broken = (~torch.isfinite(features)).flatten(1).any(dim=1).nonzero().flatten()
        if len(broken):
            raise ValueError(
                f'the features of {len(broken)} samples are not finite, the first is '
                f'{self.names[broken[0]]!r}: the encoder has diverged; lower the learning rate or '
                'clip the gradients'
            )
        self.features = features.detach().float().clone()

    def knows(self, rows: Sequence[int], names: Sequence[str]) -> bool:
        """Whether each sample is in this bank, with the same row and name."""
        return all(
            0 <= row < len(self) and self.names[row] == name for row, name in zip(rows, names)
        )

    def read(self, rows: Sequence[int], names: Sequence[str]) -> Tensor:
        """Look up the features of samples.

        Args:
            rows (Sequence[int]): ``sample_idx`` of B samples.
            names (Sequence[str]): Their names (``frame_dir``).

        Returns:
            Tensor: Features of shape (B, D) or (B, S, D).

        Raises:
            RuntimeError: If the bank is empty.
            KeyError: If a sample is not in the bank.
        """
        if self.features is None:
            raise RuntimeError(
                'the feature bank is empty, so there are no ranking labels yet: add '
                "dict(type='RelabelHook', ...) to the hooks, or call model.relabel first"
            )
        if not self.knows(rows, names):
            row, name = next((r, n) for r, n in zip(rows, names) if not self.knows([r], [n]))
            raise KeyError(
                f'sample {name!r} (sample_idx {row}) is not in the feature bank of {len(self)} '
                'samples; expected samples of the split that filled the bank: train '
                'and resume with the same annotation file, split and label list'
            )
        places = torch.tensor(rows, dtype=torch.long)
        return self.features[to_device(places, self.features.device)]

    def digest(self) -> str:
        """SHA-256 of names and features: banks with equal digests give equal labels."""
        found = hashlib.sha256('\0'.join(self.names).encode())
        if self.features is not None:
            found.update(str(tuple(self.features.shape)).encode())
            found.update(self.features.cpu().numpy().tobytes())
        return found.hexdigest()

    def state_dict(self) -> Dict:
        """Names and features, as saved in a checkpoint."""
        features = None if self.features is None else self.features.cpu()
        return dict(names=self.names, features=features)

    @classmethod
    def from_state_dict(cls, state: Dict) -> 'FeatureBank':
        """The bank that :meth:`state_dict` described."""
        bank = cls(state['names'])
        bank.features = state['features']
        return bank
