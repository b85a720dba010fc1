"""What a checkpoint records of its model is read from new and old ones, and compared."""

import pytest
from mmaction.registry import MODELS

import deeprank_plugin  # noqa: F401  registers the models
from deeprank_plugin.engine import identity
from deeprank_plugin.engine.identity import (
    Identity,
    compare_classes,
    compare_inputs,
    identify_checkpoint,
    identify_model,
    to_meta,
)
from deeprank_plugin.layouts import COCO, NTU, find_layout
from tests.engine.checkpoints import DEEPRANK, MV

CHAIN = dict(num_joints=3, pairs=[(0, 0), (1, 0), (2, 1)])


@pytest.mark.parametrize(
    ('model', 'modality'), [(DEEPRANK, 'motion'), (MV, ['joint', 'bone', 'motion'])]
)
def test_a_model_and_its_checkpoint(make, model, modality):
    found = identify_model(MODELS.build(model))
    assert found.modality == modality and found.layout is NTU
    meta = to_meta(found)
    assert meta == dict(modality=modality, layout='nturgb+d', num_joints=25)
    assert identify_checkpoint(dict(meta=meta)) == found
    assert identify_checkpoint(make(model)) == found  # an older one: by its config


def test_segments_are_recorded_where_there_are_several():
    segmented = dict(DEEPRANK, segments=2, head=dict(DEEPRANK['head']))
    segmented['head']['in_channels'] *= 2
    found = identify_model(MODELS.build(segmented))
    assert found.segments == to_meta(found)['segments'] == 2
    assert identify_checkpoint(dict(meta=to_meta(found))).segments == 2
    assert identify_checkpoint(dict(meta=dict(segments='two'))).segments is None


def test_a_layout_of_ones_own_is_recorded_whole():
    layout = find_layout(CHAIN)
    meta = to_meta(Identity(layout=layout))
    assert meta['num_joints'] == 3
    assert identify_checkpoint(dict(meta=meta)).layout.parents == (0, 0, 1)


@pytest.mark.parametrize(
    'checkpoint',
    [{}, dict(meta=None), dict(meta={}), [1], dict(meta=dict(cfg='a = 1')), dict(meta=dict(cfg=3))],
)
def test_nothing_is_known_of_others(checkpoint):
    assert identify_checkpoint(checkpoint) == Identity()


def test_a_layout_file_that_is_not_here_is_unknown():
    text = (
        "model = dict(type='DeepRank', data_preprocessor=dict(type='SkeletonPreprocessor', "
        "layout='gone.json'))"
    )
    assert identify_checkpoint(dict(meta=dict(cfg=text))) == Identity(modality='joint')


def test_modality_and_layout_are_compared_where_both_are_known():
    joint = Identity('joint', NTU)
    assert compare_inputs(joint, joint) is None
    assert compare_inputs(Identity(), joint) is None and compare_inputs(joint, Identity()) is None
    assert compare_inputs(Identity(['joint', 'bone']), joint) is None  # its keys are others
    assert 'modality bone, and this model takes joint' in compare_inputs(Identity('bone'), joint)
    assert "'coco' (17 joints), and this" in compare_inputs(Identity('joint', COCO), joint)
    same = dict(num_joints=25, pairs=NTU.pairs)
    assert compare_inputs(Identity('joint', find_layout(same)), joint) is None
    turned = Identity(layout=find_layout(dict(num_joints=3, pairs=[(0, 0), (1, 0), (2, 0)])))
    chain = Identity(layout=find_layout(CHAIN))
    assert 'the bone of joint 2 goes to joint 1 there, and to 0 here' in compare_inputs(
        chain, turned
    )
    for extras, words in (
        (dict(names=list('abc')), None),
        (dict(names=list('abd')), "joint 2 is 'c', and that of this model 'd'"),
        (dict(dims=3), None),
        (dict(dims=2), 'a layout in 3D, and this model takes 2D'),
    ):
        own = Identity(layout=find_layout(dict(CHAIN, names=list('abc'), dims=3)))
        difference = compare_inputs(own, Identity(layout=find_layout(dict(CHAIN, **extras))))
        assert (words is None and difference is None) or words in difference
        assert compare_inputs(own, Identity(layout=find_layout(CHAIN))) is None
    other = Identity('bone', COCO)
    assert 'layout' in compare_inputs(other, joint, ['modality'])
    assert compare_inputs(other, joint, ['modality', 'layout']) is None


def test_classes_are_compared_by_label():
    assert compare_classes(None, ['a']) is None and compare_classes(['a'], None) is None
    assert compare_classes(['a', 'b'], ['a', 'b']) is None
    assert compare_classes(['a', 'b'], ['a']) is None
    difference = compare_classes(['a', 'b', 'c'], ['a', 'c', 'b'])
    assert difference.startswith("class 1 is 'b' in the checkpoint and 'c' in the data")
    assert 'another order' in difference
    assert 'another order' not in compare_classes(['a'], ['b'])
    difference = compare_classes(['a'], ['b'], ('this file', 'that'))
    assert difference == "class 0 is 'a' in this file and 'b' in that"


@pytest.mark.parametrize('wrong', ['modality', ['channels']])
def test_unknown_aspects(wrong):
    with pytest.raises(ValueError, match='expected a list of modality, layout, classes'):
        identity.check_aspects('Pretrained', wrong)
