"""The momentum teacher against MMEngine's moving average, and by hand."""

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn

from deeprank_plugin.models.utils import MomentumTeacher


def make_encoder():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).double()


def change(encoder, seed):
    """What a training step changes: parameters, running statistics, the count of batches."""
    torch.manual_seed(seed)
    encoder.train()(torch.randn(5, 3, dtype=torch.double))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter))


@pytest.mark.parametrize('momentum', [0.9, 0.5])
def test_equals_mmengines(momentum):
    encoder = make_encoder()
    teacher = MomentumTeacher(dict(joint=encoder), momentum)
    theirs = ExponentialMovingAverage(encoder, 1 - momentum, update_buffers=True)
    theirs.update_parameters(encoder)  # its first one copies
    for seed in range(3):
        change(encoder, seed)
        teacher.update(dict(joint=encoder))
        theirs.update_parameters(encoder)
    found = teacher.encoders['joint'].state_dict()
    for name, expected in theirs.module.state_dict().items():
        if name.endswith('num_batches_tracked'):
            expected = torch.tensor(3)  # theirs stays as it was
        torch.testing.assert_close(found[name], expected, rtol=1e-14, atol=1e-14)


def test_by_hand_after_a_move():
    encoder = make_encoder().float()
    teacher = MomentumTeacher(dict(bone=encoder), 0.75).double()  # replaces all tensors
    encoder.double()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    change(encoder, 1)
    teacher.update(dict(bone=encoder))
    for name, value in teacher.encoders['bone'].state_dict().items():
        if value.is_floating_point():
            expected = 0.75 * before[name] + 0.25 * encoder.state_dict()[name]
            torch.testing.assert_close(value, expected, rtol=1e-14, atol=1e-14)
    teacher.copy(dict(bone=encoder))
    for name, value in teacher.encoders['bone'].state_dict().items():
        assert torch.equal(value, encoder.state_dict()[name])


def test_it_is_never_in_training_mode():
    model = nn.ModuleDict(dict(teacher=MomentumTeacher(dict(joint=make_encoder()), 0.9))).train()
    assert model.training
    assert not any(module.training for module in model['teacher'].modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize('momentum', [-0.1, 1.1])
def test_wrong_momentum(momentum):
    with pytest.raises(ValueError, match='from 0 to 1'):
        MomentumTeacher({}, momentum)
