#!/usr/bin/env python
"""Export a finetuned recogniser to ONNX or with torch.export, verified against PyTorch.

The graph takes joint sequences of shape (N, M, T, V, C), any N, from the config's test pipeline
(centred, cropped, resized), derives bone or motion itself, and returns probabilities of shape
(N, classes). The file is reopened with onnxruntime (or torch.export.load) and run on sequences of
the config's test data, in batches of several sizes. The largest difference from the recogniser's
own predictions is printed; the file is discarded if it exceeds --tolerance, or a hundredth of the
variation of predictions across sequences.

ONNX needs onnx, onnxscript and onnxruntime: pip install "deeprank-plugin[deploy]".

Example:
    python tools/deployment/export_onnx.py configs/finetune/stgcn_pretrained.py \\
        work_dirs/<run>/epoch_100.pth stgcn.onnx
    python tools/deployment/export_onnx.py CONFIG CHECKPOINT stgcn.pt2 --format torch-export
"""

import argparse
import importlib.util
import logging
import os
import warnings
from pathlib import Path
from typing import Callable, List

import numpy as np
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from torch import Tensor, nn

import deeprank_plugin  # noqa: F401
from deeprank_plugin.command_line import (
    OptionAction,
    add_parameters,
    exit_with_error,
    load_config,
    merge_or_exit,
    parameters_of,
)
from deeprank_plugin.engine.encoders import read_checkpoint
from deeprank_plugin.engine.identity import compare_inputs, identify_checkpoint, identify_model
from deeprank_plugin.engine.initializers import compare_state_dicts, list_some, strip_module

FORMATS = {'onnx': ('onnx', 'onnxscript', 'onnxruntime'), 'torch-export': ()}
INPUT, OUTPUT = 'keypoint', 'probability'
BATCH_SIZES = (1, 2, 5)  # used in turn until all sequences are done
TINY = 1e-30  # lower bound of probabilities before the logarithm
SHARE = 0.01


class ExportedRecognizer(nn.Module):
    """From joint sequences (N, M, T, V, C) to probabilities (N, classes)."""

    def __init__(self, recognizer: nn.Module) -> None:
        super().__init__()
        preprocessor = recognizer.data_preprocessor
        self.derive, self.modality = preprocessor.derive, preprocessor.modality
        self.backbone, self.cls_head = recognizer.backbone, recognizer.cls_head

    def forward(self, keypoint: Tensor) -> Tensor:
        """Derive the modality, classify, softmax."""
        return self.cls_head(self.backbone(self.derive(keypoint, self.modality))).softmax(dim=-1)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the finetuned model')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('out', type=Path, help='file to write, such as model.onnx or model.pt2')
    parser.add_argument('--format', choices=FORMATS, default='onnx', help='(%(default)s)')
    parser.add_argument(
        '--number', type=int, default=32, help='test sequences to compare on (%(default)s)'
    )
    parser.add_argument(
        '--tolerance', type=float, default=1e-4, help='of probabilities (%(default)s)'
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        metavar='KEY=VALUE',
        help='override entries of the config',
    )
    add_parameters(parser)
    args = parser.parse_args()
    if args.number < 2:
        parser.error('--number: expected at least 2')
    return args


def build_model(cfg: Config, checkpoint: str) -> nn.Module:
    """Build the recogniser with the checkpoint's weights, in eval mode.

    Raises:
        ValueError: If it cannot be exported, or the weights belong to another network.
    """
    kind, head = cfg.model.type, (cfg.model.get('cls_head') or {}).get('type')
    heads = ('GCNHead', 'SegmentHead')
    if kind not in ('RecognizerGCN', 'SkeletonRecognizer') or head not in heads:
        raise ValueError(
            f'the model of the config is a {kind} with head {head}; expected a finetuned '
            'RecognizerGCN with GCNHead: export the config and checkpoint of a finetuning run'
        )
    cfg.model.backbone.pop('init_cfg', None)  # the checkpoint holds all weights
    model = MODELS.build(cfg.model).eval()
    modality = getattr(model.data_preprocessor, 'modality', None)
    if not isinstance(modality, str):
        raise ValueError(
            f'the data preprocessor {type(model.data_preprocessor).__name__} has modality '
            f'{modality}; expected a SkeletonPreprocessor with one modality'
        )
    content = read_checkpoint(checkpoint)
    other = compare_inputs(identify_checkpoint(content), identify_model(model))
    if other is not None:
        raise ValueError(f'{checkpoint!r} {other}: name the config that it was trained with')
    weights = strip_module(content.get('state_dict', {}))
    difference = compare_state_dicts(weights, model.state_dict())
    if any(difference):
        parts = zip(('missing', 'unexpected', 'of another shape'), difference)
        raise ValueError(
            f'{checkpoint!r} does not fit the model of the config: '
            + '; '.join(f'{name}: {list_some(keys)}' for name, keys in parts if keys)
            + '. Name the config that the checkpoint was trained with'
        )
    model.load_state_dict(weights, strict=False)  # num_batches_tracked may be missing
    return model


def load_samples(cfg: Config, model: nn.Module, number: int) -> List[dict]:
    """Run sequences through the test pipeline: test data, or random ones if these are missing."""
    dataset = cfg.test_dataloader.dataset
    path = Path(dataset.get('data_root') or '', dataset.ann_file)
    if path.is_file():
        dataset = DATASETS.build(dataset)
        chosen = np.linspace(0, len(dataset) - 1, min(number, len(dataset))).round().astype(int)
        print(f'compared on {len(chosen)} of {len(dataset)} sequences of {path}')
        return [dataset[int(index)] for index in chosen]
    print(f'compared on {number} RANDOM sequences: {path} (ann_file of test_dataloader) is missing')
    pipeline = Compose(dataset.pipeline)
    joints, channels = model.data_preprocessor.num_joints, cfg.model.backbone.get('in_channels', 3)
    rng = np.random.default_rng(0)
    samples = []
    for index in range(number):
        steps = rng.normal(scale=0.02, size=(1, 60 + index, joints, channels))
        keypoint = (rng.normal(size=(joints, channels)) + steps.cumsum(axis=1)).astype(np.float32)
        info = dict(keypoint=keypoint, label=0, total_frames=60 + index, start_index=0)
        info.update(frame_dir=f'random {index}', sample_idx=index, split=None, modality='Pose')
        samples.append(pipeline(info))
    return samples


def predict(model: nn.Module, samples: List[dict]) -> np.ndarray:
    """Probabilities (samples, classes) as tools/test.py computes them."""
    with torch.no_grad():
        results = model.test_step(pseudo_collate(samples))
    return torch.stack([result.pred_score for result in results]).numpy()


def export(wrapper: nn.Module, example: Tensor, path: Path, form: str, note: dict) -> None:
    """Trace with a dynamic batch size and write the file."""
    batch = {0: torch.export.Dim('batch', min=1)}
    if form == 'torch-export':
        program = torch.export.export(wrapper, (example,), dynamic_shapes=(batch,), strict=False)
        torch.export.save(program, path, extra_files={key: str(note[key]) for key in note})
        return
    program = torch.onnx.export(
        wrapper,
        (example,),
        dynamo=True,
        dynamic_shapes=(batch,),
        input_names=[INPUT],
        output_names=[OUTPUT],
        verbose=False,
    )
    program.model.metadata_props.update({key: str(note[key]) for key in note})
    program.save(str(path), external_data=False)


def open_exported(path: Path, form: str) -> Callable[[np.ndarray], np.ndarray]:
    """Open the file as a function from (N, M, T, V, C) to (N, classes)."""
    if form == 'torch-export':
        module = torch.export.load(path).module()

        def run(keypoint: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return module(torch.from_numpy(keypoint)).numpy()

        return run
    import onnx
    import onnxruntime

    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    return lambda keypoint: session.run([OUTPUT], {INPUT: keypoint})[0]


def run_in_batches(run: Callable, inputs: np.ndarray) -> np.ndarray:
    """Compute probabilities with the written file, in batches of several sizes.

    Args:
        run (callable): As returned by :func:`open_exported`.
        inputs (np.ndarray): Sequences of shape (samples, clips, M, T, V, C).

    Returns:
        np.ndarray: Probabilities of shape (samples, classes), averaged over clips.
    """
    found, start = [], 0
    while start < len(inputs):
        part = inputs[start : start + BATCH_SIZES[len(found) % len(BATCH_SIZES)]]
        scores = run(part.reshape(-1, *part.shape[2:]))
        found.append(scores.reshape(len(part), part.shape[1], -1).mean(axis=1))
        start += len(part)
    return np.concatenate(found)


def compare(found: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    """Compare the file's probabilities with PyTorch's; return the differences in words.

    Probabilities near 0, 1 or 1 / classes agree even for a wrong graph. So their logarithms are
    compared too, relative to their variation across sequences.

    Args:
        found (np.ndarray): Probabilities from the file, of shape (samples, classes).
        expected (np.ndarray): The recogniser's own.
        tolerance (float): Largest difference in probability.

    Raises:
        ValueError: If the probabilities differ by more than the tolerance, or their logarithms by
            more than a hundredth of their variation across sequences.
    """
    worst = np.abs(found - expected).max()
    logs = [np.log(np.maximum(scores.astype(np.float64), TINY)) for scores in (found, expected)]
    in_log, varies = np.abs(logs[0] - logs[1]).max(), np.ptp(logs[1], axis=0).max()
    sentence = (
        f'in probability {worst:.2e}, in its logarithm {in_log:.2e}, which varies by {varies:.2e} '
        'over the sequences'
    )
    if not worst <= tolerance:
        raise ValueError(
            f'the exported graph differs from PyTorch by up to {worst:.2e} in probability; '
            f'expected at most --tolerance {tolerance:g}: nothing was kept'
        )
    if not in_log < SHARE * varies:
        raise ValueError(
            f'the exported graph differs from PyTorch: {sentence}; expected at most {SHARE:.0%} of '
            'that: nothing was kept. If it hardly varies, the weights are untrained or the '
            'sequences all alike, and no comparison can tell'
        )
    return sentence


def export_verified(args: argparse.Namespace, cfg: Config) -> None:
    """Build, export to a temporary name, compare, and only then rename the file."""
    model = build_model(cfg, args.checkpoint)
    samples = load_samples(cfg, model, args.number)
    inputs = torch.stack([sample['inputs'] for sample in samples]).float()
    clips = inputs.shape[1]
    if clips > 1 and model.cls_head.average_clips != 'prob':
        raise ValueError(
            f'the test pipeline gives {clips} clips, averaged by {model.cls_head.average_clips!r}; '
            "expected average_clips='prob' in the head, or one clip"
        )
    expected = predict(model, samples)
    note = dict(
        modality=model.data_preprocessor.modality,
        num_classes=expected.shape[1],
        config=Path(args.config).name,
        checkpoint=Path(args.checkpoint).name,
        input='joints (N, M, T, V, C) after the test pipeline of the config, float32',
        output='probabilities (N, classes)',
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    # torch.export.save requires the extension
    temporary = args.out.with_name(f'.part-{args.out.name}')
    # a batch of two: size 1 would be treated as a constant
    example = inputs[:1].flatten(0, 1)[:1].repeat(2, 1, 1, 1, 1)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter('ignore')  # exporters warn about their internals
            export(ExportedRecognizer(model).eval(), example, temporary, args.format, note)
        found = run_in_batches(open_exported(temporary, args.format), inputs.numpy())
        difference = compare(found, expected, args.tolerance)
        os.replace(temporary, args.out)
    finally:
        temporary.unlink(missing_ok=True)
    shape = ', '.join(map(str, example.shape[1:]))
    print(f'largest difference from PyTorch: {difference}')
    print(
        f'{args.out}: {args.format}, {args.out.stat().st_size / 1e6:.1f} MB, {INPUT} (N, {shape}) '
        f'float32 to {OUTPUT} (N, {expected.shape[1]}), {note["modality"]} modality'
    )


def main() -> None:
    """Check the arguments, then export."""
    args = parse_args()
    absent = [name for name in FORMATS[args.format] if importlib.util.find_spec(name) is None]
    if absent:
        exit_with_error(
            f'--format onnx needs {", ".join(absent)}, which cannot be imported here: '
            'pip install "deeprank-plugin[deploy]", or use --format torch-export.'
        )
    if args.format == 'torch-export' and args.out.suffix != '.pt2':
        exit_with_error(f'{args.out}: torch.export writes files whose names end in .pt2: name one.')
    if args.out.exists() and not args.force:
        exit_with_error(f'{args.out} exists: choose another name, or replace it with --force.')
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    init_default_scope('mmaction')
    try:
        cfg = load_config(args.config, **parameters_of(args))
        if args.cfg_options is not None:
            merge_or_exit(cfg, args.cfg_options)
        export_verified(args, cfg)
    except (ValueError, OSError) as error:
        exit_with_error(str(error))


if __name__ == '__main__':
    main()
