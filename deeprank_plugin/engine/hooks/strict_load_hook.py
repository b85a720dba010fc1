"""Rejects the checkpoint of another network, modality, layout or list of classes."""

import re
from typing import Any, Iterable, List, Mapping, Sequence

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop

from deeprank_plugin.engine.encoders import list_some, strip_module
from deeprank_plugin.engine.exposure import Use, check_exposure, describe_use
from deeprank_plugin.engine.hooks.epoch_seed_hook import leaf_datasets
from deeprank_plugin.engine.identity import (
    check_aspects,
    compare_classes,
    compare_inputs,
    identify_checkpoint,
    identify_model,
    permit,
    to_meta,
)
from deeprank_plugin.engine.initializers import compare_state_dicts
from deeprank_plugin.engine.loaders import loaders_in_use
from deeprank_plugin.engine.resuming import (
    RESUMED,
    describe_changes,
    describe_ignored,
    describe_lost,
    describe_steps,
)
from deeprank_plugin.models.utils import unwrap
from deeprank_plugin.models.utils.fit import tell_initializers, tell_parts


@HOOKS.register_module()
class StrictLoadHook(Hook):
    """Raises if a checkpoint that the runner loads does not belong to the model and its data.

    MMEngine only warns of other weights, so that a test would report the accuracy of random ones;
    and weights say nothing of the modality, of which joint is which, or of which class is number 3.
    The hook records modality and layout in each checkpoint (``meta``; MMEngine adds the class
    names), and compares them whenever one is loaded: to test, to finetune (``load_from``), to
    resume, or by ``init_cfg``. What an older checkpoint does not record is read from its config, or
    not compared.

    Class names are compared for classifiers, with those of the data sets in use; a warning names
    the files that have none.

    A resumed run keeps the optimiser and schedule of the checkpoint; if the config has others, if
    it has another model, pipeline, loop or hook than the run began with, or if an epoch has more or
    fewer steps than before, a warning says so. Its training samples must be
    those of before: names, labels and lengths are recorded and compared, of
    :class:`SkeletonDataset`.

    A checkpoint that was trained with the labels of samples that the run is tested on, such as
    those of held-out subjects, is rejected. If it used no labels, or the test is of the training
    split itself, a warning says so.

    Args:
        allow_missing (Sequence[str]): Regular expressions; model keys whose beginning matches one
            may be missing from the checkpoint. Defaults to ``()``.
        allow_unexpected (Sequence[str]): The same for checkpoint keys that the model lacks.
            Defaults to ``()``.
        allow_other (Sequence[str]): What may differ on purpose: 'modality', 'layout', 'classes',
            'samples' (those trained on before and after a resume), 'tested' (samples that were
            trained on with labels are tested on). Defaults to ``()``.
    """

    def __init__(
        self,
        allow_missing: Sequence[str] = (),
        allow_unexpected: Sequence[str] = (),
        allow_other: Sequence[str] = (),
    ) -> None:
        for name, patterns in (
            ('allow_missing', allow_missing),
            ('allow_unexpected', allow_unexpected),
        ):
            if isinstance(patterns, str):
                raise TypeError(
                    f'StrictLoadHook: {name} is the string {patterns!r}; expected a list of '
                    f'regular expressions: write [{patterns!r}].'
                )
        self.allow_missing = tuple(allow_missing)
        self.allow_unexpected = tuple(allow_unexpected)
        self.allow_other = check_aspects('StrictLoadHook', allow_other)

    def before_run(self, runner) -> None:
        """Tell the initialisers of pretrained encoders what the model takes, and its use."""
        tell_initializers(unwrap(runner.model))
        tell_parts(unwrap(runner.model), dict(use=self._describe_use(runner)))

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Record modality, layout and training samples in the checkpoint's meta."""
        checkpoint['meta'].update(to_meta(identify_model(unwrap(runner.model))))
        checkpoint['meta']['train_samples'] = digest_samples(runner)

    def after_load_checkpoint(self, runner, checkpoint: Any) -> None:
        """Compare the checkpoint with model and data before its weights are copied.

        Args:
            runner (Runner): The runner that loads it.
            checkpoint (dict): What the file holds: a ``state_dict`` and more, or weights only.

        Raises:
            ValueError: If keys are missing or unexpected, shapes differ, or it is of another
                modality, layout or list of classes, or trained with the labels of test samples.
        """
        name = f'{runner._load_from!r} ' if runner._load_from else ''
        resumes = getattr(runner, '_resume', False)
        self._require_content(name, checkpoint, resumes)
        model = unwrap(runner.model)
        found = identify_checkpoint(checkpoint)
        difference = compare_inputs(found, identify_model(model), self.allow_other)
        if difference is not None:
            aspect = 'modality' if ' of modality ' in difference else 'layout'
            raise ValueError(
                f'The checkpoint {name}{difference}: name another checkpoint, or set the '
                f'{aspect} of the config to that of the checkpoint. {permit(aspect)}'
            )
        self._compare_weights(name, checkpoint, model)
        if 'classes' not in self.allow_other and classifies(model):
            self._compare_classes(name, found.classes, runner)
        if resumes:
            if 'samples' not in self.allow_other:
                self._compare_samples(name, checkpoint['meta'].get('train_samples'), runner)
            self._warn_of_changes(runner, checkpoint)
        else:
            self._compare_tested(name, checkpoint, runner)

    def _describe_use(self, runner) -> Use:
        return describe_use(runner, 'tested' in self.allow_other)

    def _compare_tested(self, name: str, checkpoint: Any, runner) -> None:
        try:
            seen = check_exposure(checkpoint, self._describe_use(runner))
        except ValueError as error:
            raise ValueError(f'The checkpoint {name}{error}. {permit("tested")}') from error
        if seen is not None:
            runner.logger.warning(f'The checkpoint {name}{seen}.')

    def _compare_samples(self, name: str, digests, runner) -> None:
        own = digest_samples(runner)
        if not digests or not own or digests == own:
            return
        parts = leaf_datasets(runner.train_dataloader.dataset)
        files = ', '.join(part.ann_file for part in parts)
        raise ValueError(
            f'The checkpoint {name}was trained on other samples than the {sum(map(len, parts))} of '
            f'{files}: names, labels, lengths or their order differ. Resume with the same data, or '
            'start a new run from its weights (load_from=CHECKPOINT without --resume). '
            f'{permit("samples")}'
        )

    @staticmethod
    def _warn_of_changes(runner, checkpoint: Mapping) -> None:
        loop = getattr(runner, '_train_loop', None)
        steps = None
        if isinstance(loop, EpochBasedTrainLoop):
            steps = describe_steps(checkpoint, len(loop.dataloader))
        ignored, changes = (
            describe(checkpoint, runner.cfg) for describe in (describe_ignored, describe_changes)
        )
        for sentence in (describe_lost(checkpoint), ignored, changes, steps):
            if sentence is not None:
                runner.logger.warning(sentence)

    @staticmethod
    def _require_content(name: str, checkpoint: Any, resumes: bool) -> None:
        if not isinstance(checkpoint, Mapping):
            raise ValueError(
                f'The checkpoint {name}holds a {type(checkpoint).__name__}; expected a dict that '
                'MMEngine saved: name another file.'
            )
        if not resumes:
            return
        meta = checkpoint.get('meta')
        missing = [key for key in ('state_dict', 'meta', 'message_hub') if key not in checkpoint]
        missing += [
            f"meta['{key}']" for key in RESUMED if isinstance(meta, Mapping) and key not in meta
        ]
        if missing:
            raise ValueError(
                f'The checkpoint {name}has no {list_some(missing)}; expected one that a training '
                'run saved, to resume from it. To start a new run from its weights, use load_from '
                'without --resume.'
            )

    def _compare_weights(self, name: str, checkpoint: Mapping, model) -> None:
        weights: Mapping = checkpoint.get('state_dict', checkpoint)
        difference = compare_state_dicts(strip_module(weights), model.state_dict())
        missing = self._remaining(difference.missing, self.allow_missing)
        unexpected = self._remaining(difference.unexpected, self.allow_unexpected)
        if missing or unexpected or difference.reshaped:
            raise ValueError(
                f'The checkpoint {name}is of another network than {type(model).__name__}; '
                f'missing: {list_some(missing)}; unexpected: {list_some(unexpected)}; '
                f'of another shape: {list_some(difference.reshaped)}. Use the config that the '
                'checkpoint was trained with. To load an encoder only, use '
                "init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.') in place of "
                'load_from; to accept certain keys, set allow_missing or allow_unexpected of '
                'StrictLoadHook.'
            )

    def _compare_classes(self, name: str, names, runner) -> None:
        nameless = {}
        for loader in loaders_in_use(runner):
            for dataset in leaf_datasets(loader.dataset):
                file = getattr(dataset, 'ann_file', 'the data set')
                own = (getattr(dataset, 'metainfo', None) or {}).get('classes')
                difference = compare_classes(names, own)
                if difference is not None:
                    raise ValueError(
                        f'The checkpoint {name}numbers its classes differently from {file}: '
                        f'{difference}. Convert the data with the names of the checkpoint '
                        '(tools/data/prepare_generic.py or prepare_poses.py, --classes '
                        'CHECKPOINT), or reorder label_names and the labels of the file. '
                        f'{permit("classes")}'
                    )
                if names and own is None:
                    nameless[file] = True
        if nameless:
            runner.logger.warning(
                f'The checkpoint {name}names its classes ({names[0]!r}, ...), and '
                f'{", ".join(nameless)} has no label_names to compare: label 0 is taken for '
                f'{names[0]!r}, and so on. Add label_names to the file, or metainfo.classes to '
                'the data set.'
            )

    @staticmethod
    def _remaining(keys: Iterable[str], patterns: Sequence[str]) -> List[str]:
        return [key for key in keys if not any(re.match(pattern, key) for pattern in patterns)]


def digest_samples(runner) -> List[str]:
    """Digests of the data sets trained on; empty if one of them has none, or nothing is trained."""
    loop = getattr(runner, '_train_loop', None)
    parts = leaf_datasets(loop.dataloader.dataset) if isinstance(loop, BaseLoop) else []
    digests = [getattr(part, 'sample_digest', '') for part in parts]
    return digests if all(digests) else []


def classifies(model) -> bool:
    """Whether a model has a classifier with a number of classes."""
    return getattr(getattr(model, 'cls_head', None), 'num_classes', None) is not None
