"""The images of projects/cifar100: files, transforms, network, and the method on them."""

import json
import pickle
import runpy
import struct
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT
from mmaction.registry import DATASETS, MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.runner import Runner

PROJECT = ROOT / 'projects' / 'cifar100'
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]

import run_protocol  # noqa: E402

import projects.cifar100.images  # noqa: E402, F401


def write_folder(path, number=40, classes=4, as_bytes=False):
    """A folder in CIFAR-100's format with random images; returns them, (N, 32, 32, 3)."""
    path.mkdir()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, number, 32, 32, 3), dtype=np.uint8)
    for name, part in zip(('train', 'test'), images):
        rows = np.zeros((number, 3072), dtype=np.uint8)
        for image in range(number):  # red, green, blue, each row by row
            for channel in range(3):
                for row in range(32):
                    start = 1024 * channel + 32 * row
                    rows[image, start : start + 32] = part[image, row, :, channel]
        content = dict(
            data=rows, fine_labels=[i % classes for i in range(number)], filenames=['x'] * number
        )
        write(path / name, content, as_bytes)
    write(path / 'meta', dict(fine_label_names=[f'class {i}' for i in range(classes)]), as_bytes)
    return images


def write(path, content, as_bytes=False):
    if as_bytes:  # as Python 2 wrote the real files
        content = {key.encode(): value for key, value in content.items()}
    path.write_bytes(pickle.dumps(content, protocol=2))


def build(folder, split='train', pipeline=(), **kwargs):
    return DATASETS.build(
        dict(type='CIFAR100', ann_file=str(folder), split=split, pipeline=list(pipeline), **kwargs)
    )


@pytest.mark.parametrize('as_bytes', [False, True])
def test_images_labels_and_names(tmp_path, as_bytes):
    images = write_folder(tmp_path / 'c', as_bytes=as_bytes)
    dataset = build(tmp_path / 'c', ['train', 'test'])
    assert len(dataset) == 80 and dataset.metainfo['classes'] == [f'class {i}' for i in range(4)]
    for index in (0, 39, 40, 79):
        info = dataset.get_data_info(index)
        split, row = divmod(index, 40)
        np.testing.assert_array_equal(info['img'], images[split, row])
        assert info['label'] == row % 4 and info['sample_idx'] == index
        assert info['frame_dir'] == f'{("train", "test")[split]}_{row:05d}'
    holdout = dict(share=0.25, seed=0)
    parts = [build(tmp_path / 'c', holdout=dict(holdout, part=p)) for p in ('train', 'holdout')]
    rows = [{part.get_data_info(i)['sample_idx'] for i in range(len(part))} for part in parts]
    assert len(rows[1]) == 10 and rows[0] | rows[1] == set(range(40)) and not rows[0] & rows[1]


def python2(value):
    """A value as Python 2 and the NumPy of its time pickled it (protocol 2): texts are bytes."""
    if isinstance(value, str):
        return b'U' + bytes([len(value)]) + value.encode()  # SHORT_BINSTRING
    if isinstance(value, int):
        return b'J' + struct.pack('<i', value)  # BININT
    if isinstance(value, list):
        return b'](' + b''.join(map(python2, value)) + b'e'
    if isinstance(value, dict):
        return b'}(' + b''.join(python2(part) for pair in value.items() for part in pair) + b'u'
    array = b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t' + python2('b')
    kind = b'cnumpy\ndtype\n(' + python2('u1') + b'K\x00K\x01tR(K\x03' + python2('|')
    kind += b'NNN' + 2 * python2(-1) + b'K\x00tb'
    shape = b'(' + b''.join(map(python2, value.shape)) + b't'
    data = b'T' + struct.pack('<i', value.nbytes) + value.tobytes()  # BINSTRING
    return array + b'tR(K\x01' + shape + kind + b'\x89' + data + b'tb'


def test_files_of_python_2(tmp_path):
    """CIFAR-100 was written by Python 2, whose arrays hold their data as text."""
    images = write_folder(tmp_path / 'c')
    for name in ('train', 'test', 'meta'):
        path = tmp_path / 'c' / name
        path.write_bytes(b'\x80\x02' + python2(pickle.loads(path.read_bytes())) + b'.')
    dataset = build(tmp_path / 'c', 'test')
    np.testing.assert_array_equal(dataset.get_data_info(7)['img'], images[1, 7])
    assert dataset.metainfo['classes'][3] == 'class 3' and dataset.get_data_info(7)['label'] == 3


def spoil(content, **changes):
    content.update(changes)
    return {key: value for key, value in content.items() if value is not None}


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(fine_labels=None), 'expected data and fine_labels'),
        (dict(data=np.zeros((40, 3071), np.uint8)), r'expected \(N, 3072\) of uint8'),
        (dict(data=np.zeros((40, 3072))), 'type float64'),
        (dict(data=np.zeros((39, 3072), np.uint8)), 'for 40 labels'),
        (dict(fine_labels=[4] * 40), 'has the label 4; expected 0 to 3'),
        (dict(data=print), 'it asks for builtins.print'),
    ],
)
def test_wrong_files(tmp_path, change, message):
    write_folder(tmp_path / 'c')
    path = tmp_path / 'c' / 'train'
    path.write_bytes(pickle.dumps(spoil(pickle.loads(path.read_bytes()), **change)))
    with pytest.raises(ValueError, match=message):
        build(tmp_path / 'c')
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match='cannot be read'):
        build(tmp_path / 'c')
    path.unlink()
    with pytest.raises(FileNotFoundError, match='expected the folder cifar-100-python'):
        build(tmp_path / 'c')


def test_wrong_arguments(tmp_path):
    write_folder(tmp_path / 'c')
    with pytest.raises(ValueError, match="split='val' is not known"):
        build(tmp_path / 'c', 'val')
    with pytest.raises(ValueError, match='has 4 classes and num_classes is 3'):
        build(tmp_path / 'c', num_classes=3)
    with pytest.raises(ValueError, match='neither bones nor motion'):
        MODELS.build(dict(type='ImagePreprocessor', modality='bone'))


def test_transforms():
    image = np.random.default_rng(0).integers(1, 256, (6, 5, 3), dtype=np.uint8)
    crop, flip = (TRANSFORMS.build(dict(type=t)) for t in ('PadCrop', 'RandomHorizontalFlip'))
    places = set()
    for seed in range(300):
        np.random.seed(seed)
        found = crop(dict(img=image))['img']
        matches = []
        for top in range(-4, 5):
            for left in range(-4, 5):
                moved = np.zeros_like(image)
                for row in range(6):
                    for column in range(5):
                        if 0 <= row + top < 6 and 0 <= column + left < 5:
                            moved[row, column] = image[row + top, column + left]
                if np.array_equal(moved, found):
                    matches.append((top, left))
        assert matches
        places.update(matches[:1])
    assert len(places) > 70  # of 81
    mirrored = 0
    for seed in range(200):
        np.random.seed(seed)
        found = flip(dict(img=image))['img']
        same = np.array_equal(found, image)
        assert same or np.array_equal(found, np.stack([image[:, 4 - c] for c in range(5)], 1))
        mirrored += not same
    assert 70 < mirrored < 130


def test_batches_are_normalised():
    preprocessor = MODELS.build(dict(type='ImagePreprocessor'))
    image = torch.randint(0, 256, (1, 1, 32, 32, 3), dtype=torch.uint8)
    samples = [ActionDataSample(metainfo=dict(frame_dir='a'))]
    batch = preprocessor(dict(inputs=[image], data_samples=samples))['inputs']
    assert batch.shape == (1, 1, 1, 32, 32, 3) and batch.dtype == torch.float32
    expected = (float(image[0, 0, 3, 7, 1]) - 124.1) / 65.4
    assert float(batch[0, 0, 0, 3, 7, 1]) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match=r"image 'a' has shape \(1, 1, 32, 31, 3\)"):
        preprocessor(dict(inputs=[image[..., :31, :]], data_samples=samples))
    assert not preprocessor.state_dict()


def test_resnet18():
    network = MODELS.build(dict(type='ImageResNet'))
    # the well-known 11,173,962 of ResNet-18 for CIFAR-10, less its 512 x 10 + 10 last layer
    assert sum(p.numel() for p in network.parameters()) == 11173962 - 5130
    with torch.no_grad():
        assert network(torch.zeros(2, 1, 32, 32, 3)).shape == (2, 1, 512, 4, 4)


def shrink(cfg, folder, work_dir):
    for name in ('train', 'val', 'test'):
        loader = cfg[f'{name}_dataloader']
        loader.dataset.ann_file = str(folder)
        loader.update(num_workers=0, persistent_workers=False)
    cfg.model.backbone.update(blocks=(1, 1), strides=(2, 2))
    cfg.model['head' if 'head' in cfg.model else 'cls_head'].in_channels = 16
    cfg.work_dir, cfg.log_level, cfg.randomness = str(work_dir), 'ERROR', dict(seed=0)
    cfg.experiment_name = str(work_dir)
    return cfg


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp('digits')
    runpy.run_path(str(PROJECT / 'make_digits.py'))['write_digits'](folder)
    return folder


def test_digits_are_what_scikit_learn_has(digits):
    from sklearn.datasets import load_digits

    expected = load_digits()
    dataset = build(digits, 'test')
    info = dataset.get_data_info(3)
    assert len(dataset) == 500 and info['label'] == expected.target[1300]
    scaled = info['img'][::4, ::4].astype(float) * 16 / 255
    np.testing.assert_allclose(scaled, np.repeat(expected.images[1300][..., None], 3, 2), atol=0.04)


@pytest.mark.slow
def test_deeprank_learns_to_rank_digits(digits, tmp_path):
    cfg = Config.fromfile(PROJECT / 'configs' / 'deeprank_resnet18-w8_1xb64-5x20e_digits.py')
    cfg = shrink(cfg, digits, tmp_path)
    cfg.train_dataloader.dataset.pipeline = cfg.val_dataloader.dataset.pipeline
    cfg.train_cfg.max_epochs, cfg.default_hooks.relabel.interval = 5, 100
    cfg.param_scheduler, cfg.train_cfg.val_interval = [], 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    accuracy = runner.message_hub.get_scalar('val/rank/acc').data[0]
    assert float(accuracy[-1]) > 0.66 and float(accuracy[-1]) > float(accuracy[0])


def pretrain(method, folder):
    """Pretrain on 80 random images in a folder; the runner."""
    write_folder(folder / 'c', number=80)
    cfg = Config.fromfile(PROJECT / 'configs' / f'{method}_resnet18-w8_1xb64-5x20e_digits.py')
    cfg = shrink(cfg, folder / 'c', folder / 'pretrain')
    cfg.train_dataloader.batch_size = 16
    cfg.train_cfg.max_epochs, cfg.default_hooks.relabel.interval = 2, 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.model.bank.names[0] == 'train_00000' and len(runner.model.bank.names) == 80
    assert runner.test()['knn/num_bank'] == 80
    return runner


FINETUNE = PROJECT / 'configs' / 'finetune_resnet18-w8-100_1xb16-60e_digits.py'


def test_the_classifier_first_needs_a_subset_by_labels(tmp_path):
    """The config trains on the first hundred images, which no feature bank has rows for."""
    write_folder(tmp_path / 'c', number=80)
    cfg = shrink(Config.fromfile(FINETUNE), tmp_path / 'c', tmp_path / 'finetune')
    cfg.train_dataloader.dataset.indices = 32
    cfg.default_hooks.head_init = dict(type='HeadInitHook', classifier='logreg', calibrate=True)
    cfg.model.backbone.init_cfg = None
    cfg.train_cfg.max_epochs = 1
    with pytest.raises(ValueError, match='CIFAR100 gives 32 of the 80 samples.*indices=32.*labels'):
        Runner.from_cfg(cfg).train()
    del cfg.train_dataloader.dataset['indices']
    cfg.train_dataloader.dataset.labels = dict(share=0.4, seed=0)
    cfg.experiment_name = str(tmp_path / 'labels')
    Runner.from_cfg(cfg).train()


@pytest.mark.slow
def test_from_deeprank_to_a_classifier(tmp_path):
    runner = pretrain('deeprank', tmp_path)
    cfg = shrink(Config.fromfile(FINETUNE), tmp_path / 'c', tmp_path / 'finetune')
    cfg.train_dataloader.dataset.indices = 32
    cfg.model.backbone.init_cfg.checkpoint = str(tmp_path / 'pretrain')
    cfg.train_cfg.max_epochs = 2
    pretrained = {k: v.clone() for k, v in runner.model.backbone.state_dict().items()}
    runner = Runner.from_cfg(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.model.init_weights()
    for key, value in runner.model.backbone.state_dict().items():
        torch.testing.assert_close(value, pretrained[key])
    runner.train()
    assert 0 <= runner.test()['acc/top1'] <= 1


@pytest.mark.slow
def test_from_deepcluster_to_a_figure_by_run_protocol(tmp_path, monkeypatch):
    """As Table IX has it done."""
    pretrain('deepcluster', tmp_path)
    out = tmp_path / 'out'
    command = ['run_protocol.py', str(FINETUNE), str(out), '--checkpoint']
    command += [str(tmp_path / 'pretrain'), '--cfg-options', 'train_cfg.max_epochs=1']
    command += ['model.backbone.blocks=[1,1]', 'model.backbone.strides=[2,2]']
    command += ['model.cls_head.in_channels=16', 'train_dataloader.dataset.indices=32']
    command += ['default_hooks.checkpoint.interval=1']
    for name in ('train', 'val', 'test'):
        command += [f'{name}_dataloader.dataset.ann_file={tmp_path / "c"}']
        command += [f'{name}_dataloader.num_workers=0']
        command += [f'{name}_dataloader.persistent_workers=False']
    monkeypatch.setattr(sys, 'argv', command)
    run_protocol.main()
    results = json.loads((out / 'results.json').read_text())
    assert results['settings']['checkpoints']['joint']['file'] == 'epoch_2.pth'
    assert 0 <= results['results']['joint']['seeds']['0']['acc/top1'] <= 1
    log = (out / 'joint' / 'seed_0' / 'train.log').read_text()
    assert 'ImageResNet: loaded the weights under' in log
