"""DeepRank and MV-DeepRank with a momentum teacher, against its definition in float64."""

import copy

import pytest
import torch
from helpers import BACKBONE, NAMES, SAMPLES, load, make_config, train
from mmaction.registry import MODELS
from torch import nn

from deeprank_plugin.engine.encoders import find_encoders
from deeprank_plugin.engine.initializers import Pretrained

MOMENTUM = 0.75


def make(method='DeepRank', segments=1, **kwargs):
    torch.manual_seed(0)
    config = dict(type=method, backbone=BACKBONE, segments=segments, teacher_momentum=MOMENTUM)
    head = dict(type='RankHead', in_channels=4 * segments, hidden_channels=5)
    model = MODELS.build(dict(config, head=head, **kwargs)).double().train()
    shape = (6, 3, 4) if method == 'MVDeepRank' else (6, 4)
    with torch.no_grad():  # weights that `init_cfg` may have loaded since the model was built
        for encoder in model.encoders.values():
            for parameter in encoder.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.relabel(torch.randn(shape), NAMES)
    return model


def change(model):
    with torch.no_grad():
        for encoder in model.encoders.values():
            for tensor in [*encoder.parameters(), *encoder.buffers()]:
                if tensor.is_floating_point():
                    tensor.mul_(1 + 0.1 * torch.rand_like(tensor))


def plain_feature(encoder, sequence, segments):
    """Feature of one sequence (M, T, V, C) by a loop over the parts of the time."""
    maps = encoder(sequence[None])[0]  # (M, D, T', V)
    parts = torch.stack([p.mean(dim=(0, 2, 3)) for p in maps.tensor_split(segments, dim=2)])
    return parts.flatten()


def expected_distances(before, after, plain, segments):
    """Distances of the features of an encoder between two states, by a loop over samples."""
    encoder = copy.deepcopy(after).eval()
    weights = {
        name: MOMENTUM * value + (1 - MOMENTUM) * after.state_dict()[name]
        for name, value in before.state_dict().items()
        if value.is_floating_point()
    }
    encoder.load_state_dict(weights, strict=False)
    features = [plain_feature(encoder, sequence, segments) for sequence in plain]
    units = [feature / feature.norm() for feature in features]
    return torch.stack([torch.stack([(a - b).norm() for b in units]) for a in units]).detach()


def repeat(distances, views):
    number = views * len(distances)
    rows = [[distances[i // views, j // views] for j in range(number)] for i in range(number)]
    return torch.tensor(rows, dtype=torch.double)


@pytest.mark.parametrize(('two_views', 'segments'), [(False, 1), (True, 3)])
def test_labels_are_the_teachers_of_the_plain_view(two_views, segments):
    model = make(two_views=two_views, segments=segments)
    before = copy.deepcopy(model.backbone)  # the first labels: an exact copy
    change(model)
    clips = torch.randn(6, 2 + two_views, 1, 12, 25, 3, dtype=torch.double)
    student = copy.deepcopy(model.backbone)
    found = model(clips, SAMPLES, mode='loss')
    distances = expected_distances(before, student, clips[:, -1], segments)
    views = clips[:, :-1].flatten(0, 1)
    maps = student(views)[:, 0]  # one batch, as BatchNorm sees it
    parts = [part.mean(dim=(2, 3)) for part in maps.tensor_split(segments, dim=2)]
    expected = model.head.loss(
        torch.stack(parts, dim=2).flatten(1), repeat(distances, 1 + two_views)
    )
    torch.testing.assert_close(found, expected, equal_nan=True)
    found['loss_rank'].backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    assert all(p.grad is not None for p in model.backbone.parameters())
    name, first = next(iter(model.teacher.encoders['joint'].named_parameters()))
    followed = MOMENTUM * first + (1 - MOMENTUM) * student.get_parameter(name)
    model(clips, SAMPLES, mode='loss')  # the teacher goes on
    torch.testing.assert_close(first, followed.detach())


def test_each_modality_has_its_teacher():
    model = make('MVDeepRank', one_by_one=False)
    before = copy.deepcopy(dict(model.encoders.items()))
    change(model)
    clips = torch.randn(6, 2, 1, 12, 25, 3, dtype=torch.double)
    inputs = {name: model.data_preprocessor.derive(clips, name) for name in model.modalities}
    students = copy.deepcopy(dict(model.encoders.items()))
    found = model(inputs, SAMPLES, mode='loss')
    distances = {
        name: expected_distances(before[name], students[name], inputs[name][:, -1], 1)
        for name in model.modalities
    }
    others = distances['joint'] + distances['motion']
    features = students['bone'](inputs['bone'][:, 0]).mean(dim=(1, 3, 4))
    for view, labels in (('self', distances['bone']), ('other', others)):
        expected = model.streams['bone']['heads'][view].loss(features, labels)
        torch.testing.assert_close(found[f'bone/acc_{view}'], expected['acc_rank'])


def test_validation_ranks_by_the_teacher():
    model = make().eval()
    change(model)
    inputs = torch.randn(6, 1, 1, 12, 25, 3, dtype=torch.double)
    samples = [sample.new() for sample in SAMPLES]
    found = torch.stack([sample.rank for sample in model(inputs, samples, mode='predict')])
    teacher = model.teacher.encoders['joint']
    distances = expected_distances(teacher, teacher, inputs[:, 0], 1)
    sums = model.head.sums(model(inputs), distances)
    torch.testing.assert_close(found, torch.stack([s.double() for s in sums], dim=1))


def test_full_precision_under_autocast():
    model = make().float()
    inputs = torch.randn(6, 2, 1, 12, 25, 3)
    expected = model.frozen_features(inputs[:, 1:], SAMPLES)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = model.frozen_features(inputs[:, 1:], SAMPLES)
        assert torch.isfinite(model(inputs, SAMPLES, mode='loss')['loss_rank'])
    assert torch.equal(found, expected) and found.dtype == torch.float32


@pytest.mark.parametrize('wrong', [dict(whiten=0.5), dict(keep_first=0.5), dict(reset_head=True)])
def test_what_belongs_to_rounds(wrong):
    with pytest.raises(ValueError, match='a teacher has no rounds'):
        make(**wrong)


def test_missing_parts():
    model = make()
    inputs = torch.randn(6, 1, 1, 12, 25, 3, dtype=torch.double)
    with pytest.raises(ValueError, match='1 clip a sequence.*AddPlainView'):
        model(inputs, SAMPLES, mode='loss')
    two = make(two_views=True)
    with pytest.raises(ValueError, match='1 clips a sequence beside.*inside AddPlainView'):
        two(inputs.repeat(1, 2, 1, 1, 1, 1), SAMPLES, mode='loss')
    model.bank = None
    with pytest.raises(RuntimeError, match='no labels yet: add RelabelHook'):
        model(inputs.repeat(1, 2, 1, 1, 1, 1), SAMPLES, mode='loss')


def make_run(folder, epochs=3):
    cfg = make_config(folder, interval=2)
    cfg.model.teacher_momentum = 0.9
    pipeline, test = (cfg[f'{part}_dataloader'].dataset.pipeline for part in ('train', 'val'))
    views = dict(type='AddPlainView', transforms=pipeline[1:3], plain=test[1:2])
    cfg.train_dataloader.dataset.pipeline = [pipeline[0], views, *pipeline[3:]]
    cfg.train_cfg.max_epochs = epochs
    return cfg


@pytest.mark.slow
def test_resumed_equals_uninterrupted(tmp_path):
    train(make_run(tmp_path / 'whole'))
    train(make_run(tmp_path / 'cut', epochs=1))
    cfg = make_run(tmp_path / 'cut')
    cfg.resume = True
    train(cfg)
    whole, cut = (load(tmp_path / name, 3)['state_dict'] for name in ('whole', 'cut'))
    for key, value in whole.items():
        assert torch.equal(value, cut[key]), key

    checkpoint = load(tmp_path / 'whole', 3)
    student = {k[9:]: v for k, v in whole.items() if k.startswith('backbone.')}
    teacher = {k[23:]: v for k, v in whole.items() if k.startswith('teacher.encoders.joint.')}
    assert student.keys() == teacher.keys()
    (published,) = find_encoders(checkpoint).values()
    assert all(torch.equal(published[f'backbone.{k}'], v) for k, v in student.items())
    for prefix, weights in ((None, student), ('teacher.encoders.joint', teacher)):
        backbone: nn.Module = MODELS.build(BACKBONE)
        Pretrained(str(tmp_path / 'whole' / 'epoch_3.pth'), prefix)(backbone)
        assert all(torch.equal(v, weights[k]) for k, v in backbone.state_dict().items())
    assert any(not torch.equal(student[k], v) for k, v in teacher.items())
