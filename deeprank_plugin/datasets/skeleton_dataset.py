"""Skeleton sequences from MMAction2's annotation pickles, or from ``.npz``, checked."""

import logging
import os
import os.path as osp
import pickle
import random
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmaction.datasets import PoseDataset
from mmaction.registry import DATASETS
from mmengine.logging import print_log

from ..layouts import find_layout
from .annotations import check_annotations, open_annotations, sample_name, split_annotations
from .bodies import Part
from .class_names import CLASS_NAMES, check_label_names
from .npz_annotations import MappedSequences
from .reading import (
    check_scale,
    describe_parts,
    find_num_person,
    read_skeleton,
    survey_parts,
    suspect_images,
    suspect_stills,
    suspect_unit,
    warn_once,
)
from .several_files import join_samples, split_or_all
from .subjects import check_subjects, select_subjects
from .subsets import (
    check_holdout,
    check_labels,
    digest_samples,
    draw_holdout,
    labelled_subset,
    read_names,
)


@DATASETS.register_module()
class SkeletonDataset(PoseDataset):
    """A ``PoseDataset`` that checks its data and supports labelled subsets and hold-outs.

    ``sample_idx`` of a sample is its index in the split (after ``labels``, before ``holdout``), so
    the training part and the held-out part share one range of indices,
    ``range(num_split_samples)``.

    ``metainfo['classes']``, which MMEngine saves in checkpoints, holds the file's ``label_names``
    if it has them, else the value from ``metainfo`` in the config: a list of names, or a key of
    ``class_names.py`` such as ``'ntu60'``.

    A sequence is read as :func:`~deeprank_plugin.datasets.reading.read_skeleton` describes: the
    score of a planar layout apart, present bodies first (the most moving ones, if there are more
    than the ``num_person`` of the pipeline's ``FormatGCNInput``), and without empty frames at
    either end. One warning for each kind of change says how many samples it concerns.

    Args:
        ann_file (str or list[str]): Annotation pickle, read without running code from it, or an
            ``.npz`` that ``tools/data/convert_annotations.py`` made from one: its coordinates are
            memory-mapped and shared by all workers and processes of a machine. Several files of one
            layout are joined, for pretraining: names and classes are kept apart
            (:func:`~deeprank_plugin.datasets.several_files.join_samples`), and a file without the
            split gives all its samples.
        pipeline (list): Transforms.
        split (str or list[str], optional): Name or names of splits. Each sample carries the name
            of its split as ``split``. Defaults to None: all samples.
        labels (str or dict, optional): The labelled subset; only its samples are used. Text file of
            sample names, one per line, or ``dict(share=0.1, seed=0)``: that share of each class is
            drawn by the seed from the sorted names, the same on every machine and process.
            Defaults to None: all.
        holdout (dict, optional): ``dict(share=0.05, seed=0, part='train' or 'holdout')`` keeps one
            part of the split: the held-out share is drawn by the seed from the sorted names.
            Defaults to None: the whole split.
        subjects (dict, optional): Keeps whole subjects: ``dict(held_out=[1, 5])``, or a share of
            them as ``dict(share=0.2, seed=0)``, with ``part='train'`` (those that remain, the
            default), 'holdout', or 'both' (then the held-out samples have the split 'holdout').
            Unlike ``holdout``, what is not kept gets no ``sample_idx``. Of several files only the
            first is concerned. See
            :func:`~deeprank_plugin.datasets.subjects.subject_of`. Defaults to None: all.
        layout (str or dict, optional): Required joint layout, as in
            ``SkeletonPreprocessor``. It says whether a third channel is a score, and how large a
            body is. Defaults to None: not checked, and three channels are x, y, z.
        scale (float): Factor that converts the file's coordinates to the unit of the layout:
            0.001 for millimetres. Defaults to 1.0.
        num_classes (int, optional): Labels must be below it. Defaults to None.
        sample_offset (int): Added to ``sample_idx``; ``RelabelHook`` sets it where data sets are
            concatenated. Defaults to 0.
        **kwargs: As for ``PoseDataset``, except ``data_prefix``, since the annotation file holds
            everything, and ``multi_class``, since a sample has one label. ``indices`` and
            ``valid_ratio`` leave samples out that have a row in the feature bank, so a run that
            extracts features rejects them: ``labels``, ``holdout`` and ``subjects`` choose samples.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the file, a sample or an argument is invalid; see ``annotations.py``.
    """

    def __init__(
        self,
        ann_file: Union[str, Sequence[str]],
        pipeline: List,
        split: Optional[Union[str, Sequence[str]]] = None,
        labels: Optional[Union[str, Dict]] = None,
        holdout: Optional[Dict] = None,
        subjects: Optional[Dict] = None,
        layout: Optional[Union[str, Dict]] = None,
        num_classes: Optional[int] = None,
        sample_offset: int = 0,
        scale: float = 1.0,
        **kwargs,
    ) -> None:
        if kwargs.get('multi_class'):
            raise ValueError(
                f'multi_class=True of the data set {ann_file}: expected one label per sample; '
                'remove multi_class'
            )
        if {'video', 'skeleton'} & set(kwargs.get('data_prefix') or {}):
            raise ValueError(
                f'data_prefix={kwargs["data_prefix"]} of the data set {ann_file}: expected none, '
                'since coordinates are read from the annotation file alone; remove data_prefix'
            )
        self.labels = check_labels(labels) if isinstance(labels, Mapping) else labels
        self.holdout = None if holdout is None else check_holdout(holdout)
        self.subjects = None if subjects is None else check_subjects(subjects)
        self.layout = None if layout is None else find_layout(layout)
        self.scale = check_scale(scale)
        self.num_person: Optional[int] = None  # that the pipeline keeps
        self.sample_offset = sample_offset
        self.sample_names: List[str] = []
        self.sample_rows: List[int] = []
        self.sample_digest = ''  # of names, labels and lengths
        self.sample_of_label: Dict[int, str] = {}  # one for each label that occurs
        self.sample_files: List[int] = []  # number of the file of each sample, if there are several
        self.stores: List[Optional[MappedSequences]] = []  # of each file that is an .npz
        self.file_splits: List[Mapping] = []  # all splits of each file, with the samples' names
        self.ann_files = [ann_file] if isinstance(ann_file, str) else list(ann_file)
        # seed, epoch, rank; in shared memory, because persistent workers hold a copy of the rest
        self._epoch = torch.full((3,), -1, dtype=torch.int64).share_memory_()
        self._seeded: Optional[Tuple[int, List[int]]] = None
        kwargs['metainfo'] = name_classes(kwargs.get('metainfo'))
        super().__init__(
            ', '.join(self.ann_files), pipeline, split=split, num_classes=num_classes, **kwargs
        )

    def _join_prefix(self) -> None:
        """Join ``data_root`` and the paths of the files."""
        super()._join_prefix()
        self.ann_files = [osp.join(self.data_root or '', path) for path in self.ann_files]

    @property
    def num_split_samples(self) -> int:
        """Number of samples that ``sample_idx`` ranges over."""
        return len(self.sample_names)

    def load_data_list(self) -> List[Dict]:
        """Read, check and select."""
        self.stores, self.file_splits = [], []
        files = [self._read_file(path) for path in self.ann_files]
        if self.subjects is not None:
            files[0] = select_subjects(files[0], self.subjects, self.source)
        infos = files[0] if len(files) == 1 else join_samples(files, self.ann_files)
        parts = self._survey(infos)
        for info in infos:
            if 'stored' in info:
                for key in self.stores[info['stored'][0]].places:  # type: ignore[union-attr]
                    del info[key]  # not to be copied into each process
        infos = self.select(infos)
        self._warn_of(parts, infos)
        for info in infos:
            if 'stored' not in info and info['keypoint'].dtype.itemsize > 4:
                info['keypoint'] = info['keypoint'].astype(np.float32)
        return infos

    def _read_file(self, path: str) -> List[Dict]:
        """Read and check the samples of one file."""
        content, sequences = open_annotations(path)
        self.stores.append(sequences)
        splits = content.get('split') if isinstance(content, dict) else None
        self.file_splits.append(splits if isinstance(splits, dict) else {})
        single = len(self.ann_files) == 1
        infos = (split_annotations if single else split_or_all)(content, path, self.split)
        check_annotations(infos, path, self.num_classes, self.layout)
        infos = [  # MMAction2 takes no NumPy integer for a label
            dict(info, frame_dir=sample_name(info, path, 0), label=int(info['label']))
            for info in infos
        ]
        if single:
            self._take_label_names(check_label_names(content, [i['label'] for i in infos], path))
        if sequences is not None:
            stored = content if isinstance(content, list) else content['annotations']
            rows = {sample_name(info, path, 0): row for row, info in enumerate(stored)}
            for info in infos:
                info['stored'] = len(self.stores) - 1, rows[info['frame_dir']]
        return infos

    @property
    def sequences(self) -> Optional[MappedSequences]:
        """Coordinates of the first file, if it is an ``.npz``."""
        return self.stores[0]

    @property
    def source(self) -> str:
        """For warnings: where the samples are from."""
        return f'samples of {self.ann_file}' + ('' if self.split is None else f' ({self.split})')

    def _survey(self, infos: List[Dict]) -> Dict[str, Tuple[Part, int]]:
        """Find the samples of which not everything is read; warn of stills, unit and image size."""
        self.num_person = find_num_person(self.pipeline.transforms)
        parts = survey_parts(infos, self.layout, self.num_person)
        for doubt in (
            suspect_stills(infos, parts, self.source),
            *self._suspect_units(infos),
            suspect_images(infos, self.pipeline.transforms, self.source),
        ):
            if doubt is not None:
                warn_once(doubt)
        return parts

    def _suspect_units(self, infos: List[Dict]) -> List[Optional[str]]:
        """Sentences on the unit of each file; None for each that is as expected."""
        if len(self.ann_files) == 1:
            keypoints = [info['keypoint'] for info in infos]
            return [suspect_unit(keypoints, self.layout, self.source, self.scale)]
        doubts = []
        for number, path in enumerate(self.ann_files):
            keypoints = [info['keypoint'] for info in infos if info['file'] == number]
            doubt = suspect_unit(keypoints, self.layout, f'samples of {path}', self.scale)
            remedy = '; scale applies to all files, so convert this one if the others are in metres'
            doubts.append(doubt and doubt + remedy)
        return doubts

    def _warn_of(self, parts: Dict[str, Tuple[Part, int]], infos: List[Dict]) -> None:
        """Warn of samples of which not everything is read."""
        if parts:
            chosen = {info['frame_dir'] for info in infos}
            parts = {name: part for name, part in parts.items() if name in chosen}
            for sentence in describe_parts(parts, len(infos), self.source, self.num_person):
                warn_once(sentence)

    def select(self, infos: List[Dict]) -> List[Dict]:
        """Samples of the labelled subset and the hold-out part, numbered by ``row``."""
        if self.labels is not None:
            chosen = self._choose_labelled(infos)
            infos = [info for info in infos if info['frame_dir'] in chosen]
        self.sample_names = [info['frame_dir'] for info in infos]
        for row, info in enumerate(infos):
            info['row'] = row
        if self.holdout is not None:
            held = draw_holdout(self.sample_names, self.holdout['share'], self.holdout['seed'])
            keep = self.holdout['part'] == 'holdout'
            infos = [info for info in infos if (info['frame_dir'] in held) == keep]
        return infos

    def filter_data(self) -> List[Dict]:
        """Filter, and note the samples that are left once MMEngine has applied ``indices``."""
        infos = self.data_list = super().filter_data()
        if self._indices is not None:
            infos = self._get_unserialized_subset(self._indices)
        self.note_samples(infos)
        return self.data_list

    def note_samples(self, infos: List[Dict]) -> None:
        """Keep rows, files and labels of the samples, for those who compare data sets."""
        self.sample_rows = [info['row'] for info in infos]
        self.sample_files = [info['file'] for info in infos if 'file' in info]
        self.sample_digest = digest_samples(infos)
        for info in infos:
            labels = info.get('label', ())
            for label in [labels] if hasattr(labels, '__index__') else labels:
                self.sample_of_label.setdefault(int(label), info['frame_dir'])

    def _choose_labelled(self, infos: List[Dict]) -> set:
        """Names of the labelled subset."""
        names = [info['frame_dir'] for info in infos]
        if not isinstance(self.labels, dict):
            return read_names(str(self.labels), names, self.ann_file)
        chosen = labelled_subset(names, [int(info['label']) for info in infos], **self.labels)
        print_log(
            f'{len(chosen)} of {len(names)} samples of {self.ann_file}, split {self.split}, are '
            f'labelled: a share of {self.labels["share"]:g} of each class, drawn by seed '
            f'{self.labels["seed"]}',
            logger='current',
        )
        return set(chosen)

    def _take_label_names(self, names: Optional[List[str]]) -> None:
        """Copy the file's class names, if it has any, into ``metainfo``."""
        if names is None:
            return
        configured = self._metainfo.get('classes')
        if configured is not None and list(configured) != names:
            print_log(
                f'{self.ann_file} names its {len(names)} classes; metainfo.classes of the config '
                f'({len(configured)} names) differ and are ignored',
                logger='current',
                level=logging.WARNING,
            )
        self._metainfo['classes'] = names

    def _serialize_data(self) -> Tuple[np.ndarray, np.ndarray]:
        """As in MMEngine, but each sample is freed once serialized: half the peak memory."""
        buffer, address = bytearray(), []
        for index, info in enumerate(self.data_list):
            self.data_list[index] = None
            buffer += pickle.dumps(info, protocol=4)
            address.append(len(buffer))
        self.data_list.clear()
        return np.frombuffer(buffer, dtype=np.uint8), np.asarray(address, dtype=np.int64)

    def get_cat_ids(self, idx: int) -> List[int]:
        """Classes of one sample, for ``ClassBalancedDataset``."""
        return [int(self.get_data_info(idx)['label'])]

    def get_data_info(self, idx: int) -> Dict:
        """Annotation of one sample, as the pipeline gets it."""
        info = super().get_data_info(idx)
        info['sample_idx'] = info.pop('row') + self.sample_offset
        return self.read_sample(info)

    def read_sample(self, info: Dict) -> Dict:
        """Read the coordinates."""
        if 'stored' in info:
            file, row = info.pop('stored')
            info.update(self.stores[file].read(row))  # type: ignore[union-attr]
        return read_skeleton(info, self.layout, self.num_person, self.scale)

    def set_epoch(self, epoch: int, seed: int, rank: int = 0) -> None:
        """Let every process that serves this data set draw its own randomness for an epoch.

        Persistent or not, workers see it before they serve the epoch's first sample.

        Args:
            epoch (int): The epoch that begins.
            seed (int): Seed of the run.
            rank (int): Rank of the training process. Defaults to 0.
        """
        self._epoch.share_memory_()  # that of a copy (get_subset) is not shared yet
        self._epoch.copy_(torch.tensor([seed, epoch, rank]))

    def prepare_data(self, idx: int):
        """Run the pipeline; seed first if an epoch has begun since the last call."""
        # a forked worker inherits its parent's seeding, hence the process id
        current, process = self._epoch.tolist(), os.getpid()
        if current[0] >= 0 and self._seeded != (process, current):
            worker = torch.utils.data.get_worker_info()
            entropy = [*current, 0 if worker is None else worker.id]
            if self.sample_offset:  # concatenated data sets must not repeat each other's draws
                entropy.append(self.sample_offset)
            numpy_seed, python_seed = np.random.SeedSequence(entropy).generate_state(2)
            np.random.seed(numpy_seed)
            random.seed(int(python_seed))
            self._seeded = (process, current)
        packed = super().prepare_data(idx)
        inputs = packed.get('inputs') if self.test_mode and isinstance(packed, dict) else None
        if isinstance(inputs, torch.Tensor) and not inputs.any():
            raise ValueError(
                f'sample {self.get_data_info(idx)["frame_dir"]!r} of {self.ann_file} is zero '
                'throughout after the pipeline; expected at least one joint in one frame: remove '
                'the sample, or change the pipeline'
            )
        return packed


def name_classes(metainfo: Optional[Mapping]) -> Dict:
    """Replace a key of ``CLASS_NAMES`` in the meta information by the names of the classes.

    Raises:
        ValueError: If the key is unknown.
    """
    metainfo = dict(metainfo or {})
    classes = metainfo.get('classes')
    if isinstance(classes, str):
        if classes not in CLASS_NAMES:
            raise ValueError(
                f'metainfo.classes={classes!r} is not a known data set; expected a list of names '
                f'or one of {", ".join(CLASS_NAMES)}'
            )
        metainfo['classes'] = list(CLASS_NAMES[classes])
    elif classes is None:
        metainfo.pop('classes', None)
    return metainfo
