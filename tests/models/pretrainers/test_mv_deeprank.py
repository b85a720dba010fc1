"""MV-DeepRank: labels of the views, streams one by one against all at once."""

import itertools

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapper
from torch import nn
from torch.amp import GradScaler

from deeprank_plugin.engine.hooks.relabel_hook import loss_scaling
from deeprank_plugin.evaluation import KNNMetric, RankMetric
from deeprank_plugin.models import DeepRank, MVDeepRank

NAMES = [f's{i}' for i in range(8)]
VIEWS = ('self', 'other', 'all')
MODALITIES = ('joint', 'bone', 'motion')


class NormBackbone(BaseModule):
    """A layer, BatchNorm and dropout: everything that depends on the order of calls."""

    def __init__(self, width=8):
        super().__init__()
        self.layer = nn.Linear(3, width)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(0.25)

    def forward(self, x):
        y = self.layer(x)
        y = self.norm(y.flatten(0, -2)).view_as(y)
        return self.dropout(y.tanh()).permute(0, 1, 4, 2, 3)


MODELS.register_module(module=NormBackbone, force=True)


def make(modalities=MODALITIES, width=8, **kwargs):
    torch.manual_seed(0)
    model = MVDeepRank(
        dict(type='NormBackbone', width=width),
        dict(type='RankHead', in_channels=width, hidden_channels=6),
        dict(type='SkeletonPreprocessor', modality=list(modalities)),
        **kwargs,
    )
    return model.double()


def make_batch(model, number=8, width=8):
    generator = torch.Generator().manual_seed(1)
    joint = torch.randn(number, 1, 2, 5, 25, 3, dtype=torch.float64, generator=generator)
    inputs = {m: model.data_preprocessor.derive(joint, m) for m in model.modalities}
    samples = [
        ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=f's{i}', split='train'))
        for i in range(number)
    ]
    frozen = torch.randn(number, len(model.modalities), width, generator=generator)
    return inputs, samples, frozen


def backward(model, inputs, samples):
    """Losses, gradients and buffers of one step."""
    torch.manual_seed(7)
    model.zero_grad()
    losses = model(inputs, samples, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    return (
        {name: value.detach().clone() for name, value in losses.items()},
        {name: p.grad.clone() for name, p in model.named_parameters()},
        {name: b.clone() for name, b in model.named_buffers()},
    )


def plain_label_distance(frozen, stream, view, a, c):
    """Equations 14, 17 and 18, read aloud."""
    total = 0.0
    for modality in range(frozen.shape[1]):
        wanted = dict(self=modality == stream, other=modality != stream, all=True)[view]
        if wanted:
            unit = [frozen[i, modality] / frozen[i, modality].norm() for i in (a, c)]
            total = total + (unit[0] - unit[1]).norm()
    return total


def is_nearer(frozen, stream, view, a, i, j):
    near, far = (plain_label_distance(frozen, stream, view, a, c) for c in (i, j))
    return bool(near < far)


def plain_logits(head, features, a, i, j):
    """Equations 19 and 20 for one triplet."""
    return head.fc1(torch.sub(*(head.act(head.fc0(features[[a, c]].ravel())) for c in (i, j))))


@pytest.mark.parametrize('views', [('self',), ('other',), ('all',), ('self', 'all'), VIEWS])
def test_loss_is_a_plain_loop_over_triplets(views):
    model = make(views={view: 0.5 + index for index, view in enumerate(views)})
    inputs, samples, frozen = make_batch(model, number=5)
    frozen = frozen.double()
    model.relabel(frozen, NAMES[:5])
    model.bank.features = model.bank.features.double()
    model.eval()
    losses = model(inputs, samples, mode='loss')
    features = model(inputs, mode='tensor')
    assert features.shape == (5, 3, 8)
    for stream, modality in enumerate(MODALITIES):
        expected = 0.0
        for index, view in enumerate(views):
            head = model.streams[modality]['heads'][view]
            cross_entropies, right = [], []
            for a, i, j in itertools.permutations(range(5), 3):
                logits = plain_logits(head, features[:, stream], a, i, j)
                label = 1 - is_nearer(frozen, stream, view, a, i, j)
                cross_entropies.append(-logits.log_softmax(0)[label])
                right.append(int(logits.argmax()) == label)
            expected = expected + (0.5 + index) * torch.stack(cross_entropies).mean()
            assert float(losses[f'{modality}/acc_{view}']) == pytest.approx(sum(right) / len(right))
        torch.testing.assert_close(losses[f'{modality}/loss_rank'], expected)


def test_triplets_count_less_where_the_modalities_disagree():
    model = make(disagree_weight=0.25)
    inputs, samples, frozen = make_batch(model, number=6)
    model.relabel(frozen, NAMES[:6])
    model.bank.features = model.bank.features.double()
    model.eval()
    losses = model(inputs, samples, mode='loss')
    features, frozen = model(inputs, mode='tensor'), frozen.double()
    triplets = list(itertools.permutations(range(6), 3))
    agree = [len({is_nearer(frozen, s, 'self', *t) for s in range(3)}) == 1 for t in triplets]
    weights = torch.where(torch.tensor(agree), 1.0, 0.25).double()
    assert 0 < sum(agree) < len(agree)
    for stream, modality in enumerate(MODALITIES):
        expected = 0.0
        for view in VIEWS:
            head, costs = model.streams[modality]['heads'][view], []
            for triplet in triplets:
                logits = plain_logits(head, features[:, stream], *triplet)
                costs.append(-logits.log_softmax(0)[1 - is_nearer(frozen, stream, view, *triplet)])
            expected = expected + (torch.stack(costs) * weights).sum() / weights.sum()
        torch.testing.assert_close(losses[f'{modality}/loss_rank'], expected)
    ranks = [sample.rank['bone/other'] for sample in model(inputs, samples, mode='predict')]
    assert float(torch.stack(ranks)[:, 3].sum()) == pytest.approx(float(weights.sum()))


@pytest.mark.parametrize('views', [('self',), VIEWS])
def test_one_by_one_equals_all_at_once_bit_by_bit(views):
    results = []
    for one_by_one in (True, False):
        model = make(one_by_one=one_by_one, views=views)
        inputs, samples, frozen = make_batch(model)
        model.relabel(frozen, NAMES)
        results.append(backward(model, inputs, samples))
    for ours, truth in zip(*results):
        assert set(ours) == set(truth)
        for name in truth:
            assert torch.equal(ours[name], truth[name]), name


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_one_by_one_equals_all_at_once_in_mixed_precision(dtype):
    found = []
    for one_by_one in (True, False):
        model = make(one_by_one=one_by_one).float()
        model.scale_loss = GradScaler('cpu').scale
        inputs, samples, frozen = make_batch(model)
        inputs = {name: tensor.float() for name, tensor in inputs.items()}
        model.relabel(frozen, NAMES)
        torch.manual_seed(7)
        with torch.autocast('cpu', dtype):
            losses = model(inputs, samples, mode='loss')
        model.scale_loss(model.parse_losses(losses)[0]).backward()
        found.append({name: p.grad for name, p in model.named_parameters()})
    for name, gradient in found[0].items():
        assert torch.equal(gradient, found[1][name]), name


def test_one_by_one_frees_each_stream_before_the_next():
    """No tensor of the graph outlives its stream: what is kept is as large as the parameters."""
    kept = {}
    for one_by_one in (True, False):
        model = make(one_by_one=one_by_one)
        inputs, samples, frozen = make_batch(model)
        model.relabel(frozen, NAMES)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t
        ):
            losses = model(inputs, samples, mode='loss')
        alive = 0
        seen, queue = set(), [loss.grad_fn for loss in losses.values() if loss.grad_fn is not None]
        while queue:
            node = queue.pop()
            if node in seen:
                continue
            seen.add(node)
            alive += 'AccumulateGrad' not in type(node).__name__
            queue += [following for following, _ in node.next_functions if following is not None]
        kept[one_by_one] = alive
    assert kept[True] == 3  # one node a stream
    assert kept[False] > 30


def test_gradients_under_accumulation_and_loss_scaling():
    """Any factor on the loss, in this step or in the one before, is a factor on the gradients."""
    plain, model = make(one_by_one=False), make()
    inputs, samples, frozen = make_batch(model)
    for each in (plain, model):
        each.relabel(frozen, NAMES)
        each.eval()
    for factor in (1.0, 65536.0, 1.0 / 3.0):
        for each in (plain, model):
            each.zero_grad()
            total, _ = each.parse_losses(each(inputs, samples, mode='loss'))
            (total * factor).backward()
        for ours, truth in zip(model.parameters(), plain.parameters()):
            torch.testing.assert_close(ours.grad, truth.grad, rtol=1e-12, atol=factor * 1e-15)


def test_training_steps_through_mmengine_with_accumulation():
    weights = []
    for one_by_one in (True, False):
        model = make(one_by_one=one_by_one)
        inputs, samples, frozen = make_batch(model)
        model.relabel(frozen, NAMES)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        wrapper = OptimWrapper(optimizer, accumulative_counts=3)
        model.scale_loss = loss_scaling(wrapper)
        sequences = list(inputs['joint'])
        for number in range(6):
            torch.manual_seed(number)
            data = dict(inputs=sequences, data_samples=samples)
            model.float().train_step(data, wrapper)
        weights.append([p.clone() for p in model.parameters()])
    assert all(torch.equal(ours, truth) for ours, truth in zip(*weights))


def test_mixed_precision():
    model = make().float().eval()
    inputs, samples, frozen = make_batch(model)
    inputs = {m: x.float() for m, x in inputs.items()}
    model.relabel(frozen, NAMES)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(inputs, samples, mode='loss')
        model(inputs, samples, mode='predict')
    model.parse_losses(losses)[0].backward()
    exact = model(inputs, samples, mode='loss')
    for name in exact:
        if 'loss' in name:
            torch.testing.assert_close(losses[name], exact[name], rtol=2e-2, atol=2e-2)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_self_views_are_three_deepranks():
    model = make(views=('self',))
    inputs, samples, frozen = make_batch(model)
    model.relabel(frozen, NAMES)
    losses, gradients, _ = backward(model.eval(), inputs, samples)
    for index, modality in enumerate(MODALITIES):
        single = DeepRank(
            dict(type='NormBackbone'),
            dict(type='RankHead', in_channels=8, hidden_channels=6),
            dict(type='SkeletonPreprocessor', modality=modality),
        ).double()
        single.backbone.load_state_dict(model.streams[modality]['backbone'].state_dict())
        single.head.load_state_dict(model.streams[modality]['heads']['self'].state_dict())
        single.relabel(frozen[:, index], NAMES)
        result = single.eval()(inputs[modality], samples, mode='loss')
        result['loss_rank'].backward()
        torch.testing.assert_close(losses[f'{modality}/loss_rank'], result['loss_rank'].detach())
        for name, parameter in single.backbone.named_parameters():
            torch.testing.assert_close(
                gradients[f'streams.{modality}.backbone.{name}'], parameter.grad
            )


def test_ranks_of_a_batch_are_one_copy_to_the_host():
    model = make()
    inputs, samples, frozen = make_batch(model)
    model.relabel(frozen, NAMES)
    predicted = model.eval()(inputs, samples, mode='predict')
    ranks = [rank for sample in predicted for rank in sample.rank.values()]
    assert len(ranks) == 8 * 9
    assert len({rank.untyped_storage().data_ptr() for rank in ranks}) == 1


def test_predictions_are_summed_by_the_metrics():
    model = make()
    inputs, samples, frozen = make_batch(model)
    model.relabel(frozen, NAMES)
    model.eval()
    predicted = [sample.to_dict() for sample in model(inputs, samples, mode='predict')]
    metric = RankMetric()
    metric.process(None, predicted)
    metrics = metric.compute_metrics(metric.results)
    losses = model(inputs, samples, mode='loss')
    for modality in MODALITIES:
        total = sum(metrics[f'{modality}/loss_{view}'] for view in VIEWS)
        assert total == pytest.approx(losses[f'{modality}/loss_rank'].item(), rel=1e-6)
        for view in VIEWS:
            expected = float(losses[f'{modality}/acc_{view}'])
            assert metrics[f'{modality}/acc_{view}'] == pytest.approx(expected)
    assert metrics['num_triplets'] == 8 * 7 * 6
    total = sum(losses[f'{modality}/loss_rank'].item() for modality in MODALITIES)
    assert metrics['loss'] == pytest.approx(total / 9, rel=1e-6)


def test_knn_of_each_stream_and_of_all():
    angles = torch.tensor([0.0, 0.2, 1.5, 1.6, 0.1, 1.4])
    right = torch.stack([angles.cos(), angles.sin()], dim=1)
    wrong = right[[0, 1, 2, 3, 2, 0]]
    metric = KNNMetric(bank_split='train', k=1, topk=(1,))
    for index in range(6):
        feat = dict(joint=right[index], bone=wrong[index] * 0.01)
        split, label = ('train', index // 2) if index < 4 else ('val', index - 4)
        metric.process(None, [dict(feat=feat, gt_label=torch.tensor(label), split=split)])
    metrics = metric.compute_metrics(metric.results)
    assert metrics['joint/top1'] == 1.0 and metrics['bone/top1'] == 0.0
    # both together: the sum of the two cosines
    hits = 0
    for query in (4, 5):
        cosines = [
            float(right[query] @ right[row]) + float(wrong[query] @ wrong[row]) for row in range(4)
        ]
        hits += cosines.index(max(cosines)) // 2 == query - 4
    assert metrics['top1'] == hits / 2


def test_metrics_of_a_relabelling_are_counted_by_a_loop():
    model = make(views=('self', 'other'))
    _, _, frozen = make_batch(model)
    later = torch.randn(8, 3, 8, generator=torch.Generator().manual_seed(3))
    first = model.relabel(frozen, NAMES)
    assert set(first) == {f'{m}/differ_{view}' for m in MODALITIES for view in ('other', 'all')}
    second = model.relabel(later, NAMES)

    def share(one, other):
        differ = []
        for a in range(8):
            for i in range(8):
                for j in range(8):
                    if len({a, i, j}) == 3:
                        labels = [
                            plain_label_distance(*pair, a, i) < plain_label_distance(*pair, a, j)
                            for pair in (one, other)
                        ]
                        differ.append(labels[0] != labels[1])
        return float(torch.stack(differ).float().mean())

    for stream, modality in enumerate(MODALITIES):
        own = (later, stream, 'self')
        for view in ('other', 'all'):
            assert second[f'{modality}/differ_{view}'] == pytest.approx(
                share(own, (later, stream, view))
            )
        for view in ('self', 'other'):
            assert second[f'{modality}/flipped_{view}'] == pytest.approx(
                share((frozen, stream, view), (later, stream, view))
            )
        assert f'{modality}/flipped_all' not in second


def test_two_modalities():
    model = make(modalities=('bone', 'joint'))
    inputs, samples, frozen = make_batch(model)
    model.relabel(frozen, NAMES)
    losses = model(inputs, samples, mode='loss')
    assert set(model.streams) == {'bone', 'joint'}
    # each stream's 'other' is the other's 'self'
    assert {name.split('/')[0] for name in losses} == {'bone', 'joint'}


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(views=()), 'expected some of'),
        (dict(views='self'), 'expected some of'),
        (dict(views=('self', 'both')), 'expected some of'),
        (dict(views=('self', 'self')), 'twice'),
        (dict(views=dict(self=1.0, other=0.0)), 'positive weights'),
        (dict(modalities=('bone',)), r"views=\('self',\)"),
        (dict(disagree_weight=1.5), 'from 0 to 1'),
        (dict(disagree_weight=0, modalities=('bone',), views=('self',)), 'needs a second modality'),
        (dict(data='joint'), 'an encoder for each modality'),
        (dict(head=9), 'set head.in_channels=8'),
    ],
)
def test_misfits_are_told_at_build(kwargs, message):
    modality = kwargs.pop('data', list(kwargs.pop('modalities', MODALITIES)))
    with pytest.raises(ValueError, match=message):
        MVDeepRank(
            dict(type='NormBackbone'),
            dict(type='RankHead', in_channels=kwargs.pop('head', 8)),
            dict(type='SkeletonPreprocessor', modality=modality),
            **kwargs,
        )
