"""Fits the classifier to the encoder's features before the first step of finetuning."""

from typing import Any, Dict, List, Optional

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import broadcast, is_main_process
from mmengine.hooks import Hook
from torch import Tensor, nn

from deeprank_plugin.engine.extraction import (
    Extracted,
    build_extraction_loader,
    calibrate_batch_norm,
    extract_split,
    leaf_configs,
)
from deeprank_plugin.engine.hooks.epoch_seed_hook import leaf_datasets
from deeprank_plugin.evaluation.functional.logistic import fit_logistic_regression
from deeprank_plugin.models.utils import unwrap

CLASSIFIERS = ('random', 'logreg')


@HOOKS.register_module()
class HeadInitHook(Hook):
    """Classifier first, then all: logistic regression gives the classifier its first weights.

    With few labels a random classifier sends large, arbitrary gradients into the encoder before it
    knows the classes. Here the features of the labelled training samples are extracted (test view,
    eval mode), logistic regression is fitted to them
    (:func:`~deeprank_plugin.evaluation.functional.logistic.fit_logistic_regression`), and the
    finetuning of classifier and encoder begins there. A resumed run keeps its weights.

    Each of several processes extracts a part; process 0 fits, and all get its weights.

    Args:
        classifier (str): 'logreg', or 'random': the head's own initialisation stays. Defaults to
            'random'.
        calibrate (bool): Before that, set the running statistics of BatchNorm by one pass over the
            whole training split, without labels, if the encoder begins from random weights
            (:func:`~deeprank_plugin.engine.extraction.calibrate_batch_norm`, as before DeepRank's
            first labels, but with the absent bodies that training counts). An encoder with
            ``init_cfg`` 'Pretrained', or a run with ``load_from``, keeps its own. Defaults to
            False.
        C (float): Inverse strength of the regularisation of 'logreg'. Large weights make the first
            steps of the encoder large: where the loss jumps at the beginning, a lower C (or a lower
            learning rate) helps. Defaults to 1.0.
        pipeline (list, optional): Test pipeline. Defaults to that of ``val_dataloader``, else of
            ``test_dataloader``.

    Raises:
        ValueError: If ``classifier`` is unknown, the model has no linear classifier, or fewer than
            two classes have a sample.
    """

    def __init__(
        self,
        classifier: str = 'random',
        calibrate: bool = False,
        C: float = 1.0,
        pipeline: Optional[List[Dict]] = None,
    ) -> None:
        if classifier not in CLASSIFIERS:
            raise ValueError(
                f'HeadInitHook: classifier={classifier!r}; expected one of {", ".join(CLASSIFIERS)}'
            )
        self.classifier = classifier
        self.calibrate = calibrate
        self.C = C
        self.pipeline = pipeline

    def before_train(self, runner) -> None:
        """Calibrate and fit, unless the run is resumed."""
        if runner.iter:
            return
        model, pipeline = unwrap(runner.model), self._find_pipeline(runner)
        if self.calibrate and not runner._load_from and not is_pretrained(model):
            everything = build_extraction_loader(runner, pipeline, drop=('holdout', 'labels'))
            if calibrate_batch_norm(runner, everything, absent_bodies=True):
                runner.logger.info(
                    'BatchNorm of the random encoder calibrated on '
                    f'{len(everything.dataset)} training sequences'  # type: ignore[arg-type]
                )
        if self.classifier == 'logreg':
            self._fit(runner, find_linear(model), pipeline)

    def _find_pipeline(self, runner) -> Optional[List[Dict]]:
        test = runner.cfg.get('test_dataloader')
        if self.pipeline or runner.cfg.get('val_dataloader') or test is None:
            return self.pipeline
        return leaf_configs(test.dataset)[0].pipeline

    def _fit(self, runner, layer: nn.Linear, pipeline: Optional[List[Dict]]) -> None:
        loader = build_extraction_loader(runner, pipeline)
        extracted = extract_split(runner, loader, encode=encode_for_classifier)
        rows = training_rows(runner, extracted)
        features = extracted.features[rows].double().cpu().numpy()
        labels = extracted.labels[rows].numpy()
        state = torch.zeros(layer.out_features, layer.in_features + 1).to(layer.weight)
        if is_main_process():
            fitted = fit_logistic_regression(features, labels, layer.out_features, C=self.C)
            state.copy_(torch.from_numpy(np.column_stack([fitted.weight, fitted.bias])))
            runner.logger.info(
                f'Classifier first: logistic regression on the features of {len(labels)} labelled '
                f'samples of {len(np.unique(labels))} classes, training accuracy '
                f'{fitted.accuracy:.4f}'
            )
        broadcast(state)
        with torch.no_grad():
            layer.weight.copy_(state[:, :-1])
            layer.bias.copy_(state[:, -1])


def is_pretrained(model: nn.Module) -> bool:
    """Whether an ``init_cfg`` of a part of the model loads a checkpoint."""
    for part in model.modules():
        settings = getattr(part, 'init_cfg', None) or []
        for setting in settings if isinstance(settings, (list, tuple)) else [settings]:
            if setting.get('type') == 'Pretrained':
                return True
    return False


def find_linear(model: nn.Module) -> nn.Linear:
    """The linear layer of a recogniser that gives the scores of the classes.

    Raises:
        ValueError: If ``cls_head`` does not end in one with a bias.
    """
    head: Any = getattr(model, 'cls_head', nn.Identity())
    linear = [part for part in head.modules() if isinstance(part, nn.Linear)]
    if not linear or linear[-1].out_features != head.num_classes or linear[-1].bias is None:
        raise ValueError(
            f"{type(model).__name__} has no linear classifier for classifier='logreg'; expected a "
            'cls_head that ends in nn.Linear with a bias, such as GCNHead: choose another head, or '
            "classifier='random' of HeadInitHook"
        )
    return linear[-1]


def encode_for_classifier(model: nn.Module, inputs: Tensor) -> Tensor:
    """What the linear classifier sees of a batch: features (B, D), the mean over clips."""
    seen: List[Tensor] = []
    handle = find_linear(model).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        model.extract_feat(inputs, stage='head')  # type: ignore[operator]
    finally:
        handle.remove()
    return seen[0].reshape(len(inputs), -1, seen[0].shape[-1]).mean(dim=1)


def training_rows(runner, extracted: Extracted) -> Tensor:
    """Rows of the extracted samples that are trained on: all but those of a ``holdout``."""
    rows = [
        row + leaf.sample_offset
        for leaf in leaf_datasets(runner.train_dataloader.dataset)
        for row in getattr(leaf, 'sample_rows', ())
    ]
    return torch.tensor(rows or range(len(extracted.labels)))
