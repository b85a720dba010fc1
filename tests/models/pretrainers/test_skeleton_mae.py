"""SkeletonMAE: what is masked, what is counted, and that it learns."""

import pytest
import torch
from mmaction.registry import MODELS

STTFORMER = dict(type='STTFormer', num_joints=25, blocks=[(8, 8, 4)])
STGCN = dict(
    type='STGCN',
    graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
    base_channels=4,
    num_stages=5,
    down_stages=[5],
)


def make(backbone=STTFORMER, in_channels=8, **kwargs):
    torch.manual_seed(0)
    cfg = dict(type='SkeletonMAE', backbone=backbone, in_channels=in_channels, **kwargs)
    return MODELS.build(cfg)


def test_exactly_the_share_is_masked():
    model = make(joint_ratio=0.3, frame_ratio=0.5)
    mask = model.random_mask(50, 24, 25, 'cpu')
    frames, joints = mask.all(dim=2), mask.all(dim=1)
    assert (joints.sum(dim=1) == round(0.3 * 25)).all()
    assert (frames.sum(dim=1) == 2 * 6).all()
    assert torch.equal(mask, frames.unsqueeze(2) | joints.unsqueeze(1))
    assert torch.equal(frames.view(50, 4, 6).all(dim=2), frames.view(50, 4, 6).any(dim=2))
    assert len({tuple(row.tolist()) for row in joints}) > 40  # drawn for each sequence
    share = joints.float().mean(dim=0)
    assert (share - 8 / 25).abs().max() < 0.3


@pytest.mark.parametrize('backbone, width', [(STTFORMER, 8), (STGCN, 8)])
def test_loss_is_that_of_a_loop(backbone, width):
    model = make(backbone, width).double().eval()
    inputs = torch.randn(2, 1, 2, 12, 25, 3).double()
    inputs[1, 0, 1] = 0  # an absent body
    inputs[0, 0, 0, :, 7] = 0  # an absent joint
    with torch.no_grad():
        model.token.copy_(torch.tensor([0.3, -0.2, 0.1]))
    torch.manual_seed(5)
    found = float(model(inputs, [], mode='loss')['loss_reconstruct'].detach())
    torch.manual_seed(5)
    mask = model.random_mask(4, 12, 25, 'cpu').view(2, 2, 12, 25)
    seen, places = inputs[:, 0].clone(), []
    for b in range(2):
        for m in range(2):
            for t in range(12):
                for v in range(25):
                    if mask[b, m, t, v] and inputs[b, 0, m, t, v].any():
                        seen[b, m, t, v] = model.token.detach()
                        places.append((b, m, t, v))
    assert 0 < len(places) < mask.sum()
    with torch.no_grad():
        maps = model.backbone(seen).flatten(0, 1)
        guess = model.decode(maps, 12, 25).view(2, 2, 12, 25, 3)
    errors = [float((guess[p] - inputs[:, 0][p]).pow(2).sum()) for p in places]
    assert found == pytest.approx(sum(errors) / (3 * len(places)), rel=1e-5)


def test_tuples_are_unfolded_in_their_order():
    """STTFormer reads frame t, joint v at tuple t // 6, position (t % 6) V + v."""
    model = make()
    model.decoder = torch.nn.Identity()
    frames = torch.arange(12.0).repeat_interleave(25).view(1, 1, 2, 150)
    joints = torch.arange(25.0).repeat(12).view(1, 1, 2, 150)
    found = model.decode(torch.cat([frames, joints], dim=1), 12, 25)
    assert torch.equal(found[0, :, :, 0], torch.arange(12.0)[:, None].expand(12, 25))
    assert torch.equal(found[0, :, :, 1], torch.arange(25.0).expand(12, 25))


@pytest.mark.slow
def test_it_learns_to_reconstruct():
    model = make(joint_ratio=0.3, frame_ratio=0.0).train()
    torch.manual_seed(1)
    base = torch.randn(1, 1, 1, 1, 25, 3)
    inputs = base + 0.05 * torch.randn(16, 1, 1, 12, 25, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = model(inputs, [], mode='loss')['loss_reconstruct']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    assert model.token.grad.abs().sum() > 0


def test_features_and_errors():
    model = make()
    assert model(torch.randn(2, 1, 1, 12, 25, 3)).shape == (2, 8)
    with pytest.raises(ValueError, match='8 frames do not divide into spans of 6'):
        model.random_mask(1, 8, 25, 'cpu')
    with pytest.raises(ValueError, match='joint_ratio=0, frame_ratio=0; expected'):
        make(joint_ratio=0, frame_ratio=0)
    with pytest.raises(ValueError, match='feature maps of 3 x 5 positions'):
        model.decode(torch.zeros(1, 8, 3, 5), 12, 25)
