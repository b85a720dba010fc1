"""Classify or embed skeleton sequences with the config's test pipeline.

Results equal those of ``tools/test.py`` on the same sequences in the same batches.
"""

from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, Union, cast

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor

from deeprank_plugin.evaluation.functional import fuse_scores
from deeprank_plugin.models.pretrainers.base import EncoderPretrainer, encode

from .inputs import Keypoints, is_single, make_batches, pack_infos
from .models import label_names, require_classifier


class Prediction(NamedTuple):
    """Prediction of a model for one sequence.

    Attributes:
        label: Class with the highest score, from 0.
        name: Name of the class, or its number as a string if the model has no class names.
        scores: Scores of shape (C,); probabilities, unless the head's ``average_clips`` is not
            'prob'.
        names: Names of all C classes.
    """

    label: int
    name: str
    scores: np.ndarray
    names: List[str]

    def top(self, k: int = 5) -> List[Tuple[int, str, float]]:
        """(class, name, score) of the ``k`` highest scores, or of all if there are fewer."""
        order = np.argsort(-self.scores, kind='stable')[:k]
        return [(int(i), self.names[i], float(self.scores[i])) for i in order]


def inference_skeleton_sequence(
    model: BaseModel,
    keypoints: Keypoints,
    batch_size: Optional[int] = None,
    scale: Optional[float] = None,
) -> Union[Prediction, List[Prediction]]:
    """Classify one sequence, or several.

    Args:
        model (BaseModel): A classifier from :func:`init_model`.
        keypoints (np.ndarray, Tensor, dict or list of these): One sequence of shape (M, T, V, C):
            bodies, frames, joints, coordinates in the unit of the training data (NTU: metres), with
            absent bodies or joints zero; or an annotation ``dict(keypoint=..., ...)``, whose other
            keys (such as ``keypoint_score``, ``img_shape``) go to the pipeline. Or a list of them,
            of any lengths.
        batch_size (int, optional): Sequences per batch. Defaults to that of the config's
            ``test_dataloader``.
        scale (float, optional): Factor that converts the coordinates to the unit of the training
            data: 0.001 for millimetres. Defaults to that of the config's test data, or 1.

    Returns:
        Prediction or list[Prediction]: One for a single sequence, a list for a list.

    Raises:
        ValueError: If a sequence does not have the model's shape or number of joints, is not
            finite, has no frame or is zero throughout, or the model is not a classifier.
    """
    infos, single = pack_infos(model, keypoints, scale)
    require_classifier(model)
    predictions: List[Prediction] = []
    for batch in make_batches(model, infos, batch_size):
        with torch.no_grad():
            predictions += [to_prediction(model, sample) for sample in model.test_step(batch)]
    return predictions[0] if single else predictions


def extract_features(
    model: BaseModel,
    keypoints: Keypoints,
    batch_size: Optional[int] = None,
    scale: Optional[float] = None,
) -> np.ndarray:
    """Encode one sequence, or several; features are averaged over bodies, time and joints.

    Args:
        model (BaseModel): From :func:`init_model`; DeepRank, MVDeepRank or a RecognizerGCN.
        keypoints (np.ndarray, Tensor, dict or list of these): As for
            :func:`inference_skeleton_sequence`.
        batch_size (int, optional): Defaults to that of the config's ``test_dataloader``.
        scale (float, optional): As for :func:`inference_skeleton_sequence`.

    Returns:
        np.ndarray: float32, of shape (D,) for one sequence and (N, D) for a list; with MVDeepRank
        (S, D) and (N, S, D), the streams in the order of ``model.modalities``.

    Raises:
        ValueError: As for :func:`inference_skeleton_sequence`, or if the model has no encoder.
    """
    infos, single = pack_infos(model, keypoints, scale)
    encoder = choose_encoder(model)
    features = []
    for batch in make_batches(model, infos, batch_size):
        with torch.no_grad():
            inputs = model.data_preprocessor(batch, False)['inputs']
            features.append(encoder(inputs).float().cpu().numpy())
    joined = np.concatenate(features)
    return joined[0] if single else joined


def fuse_streams(
    models: Sequence[BaseModel],
    keypoints: Keypoints,
    weights: Optional[Sequence[float]] = None,
    batch_size: Optional[int] = None,
    scale: Optional[float] = None,
) -> Union[Prediction, List[Prediction]]:
    """Classify with the weighted mean of several models' probabilities (joint, bone, motion).

    Args:
        models (Sequence[BaseModel]): Classifiers from :func:`init_model` with the same classes.
        keypoints (np.ndarray, Tensor, dict or list of these): Joints, as for
            :func:`inference_skeleton_sequence`; each model derives its own modality.
        weights (Sequence[float], optional): One per model. Defaults to None: equal weights.
        batch_size (int, optional): Defaults to that of each config's ``test_dataloader``.
        scale (float, optional): As for :func:`inference_skeleton_sequence`.

    Returns:
        Prediction or list[Prediction]: With scores in float64.

    Raises:
        ValueError: As for :func:`inference_skeleton_sequence`, or if the models have different
            classes, or do not return probabilities.
    """
    if not models:
        raise ValueError('no models to fuse; expected at least one')
    names = shared_names(models)
    single = is_single(keypoints)
    sequences: List[Any] = [keypoints] if single else list(keypoints)
    scores = []
    for model in models:
        predictions = cast(
            List[Prediction], inference_skeleton_sequence(model, sequences, batch_size, scale)
        )
        scores.append(np.stack([prediction.scores for prediction in predictions]).astype(float))
        check_probabilities(scores[-1], len(scores))
    fused = fuse_scores(scores, weights)
    predictions = [make_prediction(row, int(row.argmax()), names) for row in fused]
    return predictions[0] if single else predictions


def shared_names(models: Sequence[BaseModel]) -> List[str]:
    """The class names of several classifiers.

    Raises:
        ValueError: If there is none, one is not a classifier, or they have different classes.
    """
    if not models:
        raise ValueError('no model; expected at least one')
    for model in models:
        require_classifier(model)
    names = [label_names(model) for model in models]
    for other in names[1:]:
        if other != names[0]:
            raise ValueError(
                f'the models have different classes: {len(names[0])} ({names[0][0]!r}, ...) and '
                f'{len(other)} ({other[0]!r}, ...); expected models trained on the same data'
            )
    return names[0]


def check_probabilities(scores: np.ndarray, number: int = 1) -> None:
    """Raise unless the scores (N, C) of the model of that number are probabilities."""
    sums = scores.sum(axis=1)
    if (scores < 0).any() or not np.allclose(sums, 1, atol=0.005):
        raise ValueError(
            f'model {number} gives scores that sum to {sums.min():.4g} to {sums.max():.4g}; '
            "expected probabilities: leave average_clips of its cls_head at 'prob'"
        )


def make_prediction(scores: np.ndarray, label: int, names: List[str]) -> Prediction:
    """A prediction from the scores of all classes and the predicted label."""
    return Prediction(label, names[label], scores, names)


def to_prediction(model: BaseModel, sample) -> Prediction:
    """A prediction from a data sample that the model has filled in."""
    scores = sample.pred_score.float().cpu().numpy()
    return make_prediction(scores, int(sample.pred_label), label_names(model))


def choose_encoder(model: BaseModel) -> Callable[[Tensor], Tensor]:
    """The function from preprocessed inputs to features (B, D) or (B, S, D)."""
    if isinstance(model, EncoderPretrainer):
        return model.extract_feat
    backbone = getattr(model, 'backbone', None)
    if backbone is None:
        raise ValueError(
            f'{type(model).__name__} has no backbone; expected DeepRank, MVDeepRank or '
            'RecognizerGCN'
        )
    segments = getattr(getattr(model, 'cls_head', None), 'segments', 1)
    return lambda inputs: encode(backbone, inputs, segments)
