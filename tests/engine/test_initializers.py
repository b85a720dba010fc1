"""``init_cfg=dict(type='Pretrained', ...)`` loads what fits and rejects what does not."""

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import DefaultScope

import deeprank_plugin  # noqa: F401  registers the initialiser
from deeprank_plugin.engine import initializers
from deeprank_plugin.engine.identity import identify_model, to_meta
from deeprank_plugin.models import DeepRank, MVDeepRank, SkeletonMoCo
from deeprank_plugin.models.utils.fit import tell_initializers


@pytest.fixture(autouse=True)
def mmaction_scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def build_recognizer(
    init_cfg=None, base_channels=4, num_stages=2, layout='nturgb+d', type='RecognizerGCN', **kwargs
):
    backbone = dict(
        type='STGCN',
        in_channels=3,
        base_channels=base_channels,
        num_stages=num_stages,
        inflate_stages=[],
        down_stages=[],
        graph_cfg=dict(layout=layout, mode='stgcn_spatial'),
        init_cfg=init_cfg,
    )
    head = dict(type='GCNHead', num_classes=3, in_channels=base_channels)
    model = MODELS.build(dict(type=type, backbone=backbone, cls_head=head, **kwargs))
    model.init_weights()
    return model


def save(model, path, prefix='', **extra):
    weights = {f'{prefix}{key}': value for key, value in model.state_dict().items()}
    torch.save(dict(state_dict=weights, **extra), path)
    return str(path)


def pretrained(checkpoint, prefix='backbone.'):
    return dict(type='Pretrained', checkpoint=checkpoint, prefix=prefix)


@pytest.mark.parametrize('prefix', ['backbone.', 'backbone'])
@pytest.mark.parametrize('wrapped', ['', 'module.'])
def test_backbone_gets_the_weights_and_nothing_else_does(tmp_path, prefix, wrapped):
    torch.manual_seed(0)
    source = build_recognizer()
    path = save(source, tmp_path / 'source.pth', prefix=wrapped)
    torch.manual_seed(1)
    target = build_recognizer(pretrained(path, prefix))
    for key, value in source.backbone.state_dict().items():
        torch.testing.assert_close(target.backbone.state_dict()[key], value, rtol=0, atol=0)
    assert not torch.equal(target.cls_head.fc.weight, source.cls_head.fc.weight)


def config_text(modality):
    preprocessor = f"dict(type='SkeletonPreprocessor', modality={modality!r})"
    return dict(cfg=f"model = dict(type='DeepRank', data_preprocessor={preprocessor})")


@pytest.mark.parametrize('prefix', ['', 'backbone.', 'module.backbone.', 'streams.joint.backbone.'])
@pytest.mark.parametrize('modality', [None, 'joint'])
def test_the_encoder_is_found_in_any_checkpoint(tmp_path, prefix, modality):
    torch.manual_seed(0)
    source = build_recognizer().backbone
    weights = {f'{prefix}{key}': value for key, value in source.state_dict().items()}
    if prefix:  # what stands beside an encoder: a head, MoCo's second encoder
        weights['head.fc0.weight'] = torch.zeros(1)
        weights['momentum_backbone.data_bn.weight'] = torch.zeros(1)
    torch.save(dict(state_dict=weights, meta=config_text('joint')), tmp_path / 'source.pth')
    torch.manual_seed(1)
    init_cfg = dict(pretrained(str(tmp_path / 'source.pth'), None), modality=modality)
    target = build_recognizer(init_cfg)
    for key, value in source.state_dict().items():
        assert torch.equal(target.backbone.state_dict()[key], value)


def test_a_bare_state_dict_must_be_exactly_that_of_the_module(tmp_path):
    source = build_recognizer().backbone
    torch.save(source.state_dict(), tmp_path / 'source.pth')
    build_recognizer(pretrained(str(tmp_path / 'source.pth'), None))
    torch.save(dict(source.state_dict(), more=torch.zeros(1)), tmp_path / 'source.pth')
    with pytest.raises(ValueError, match='unexpected: more'):
        build_recognizer(pretrained(str(tmp_path / 'source.pth'), None))


def save_streams(path, streams):
    encoders = {}
    for seed, stream in enumerate(streams):
        torch.manual_seed(seed)
        encoders[stream] = build_recognizer().backbone.state_dict()
    weights = {f'streams.{s}.backbone.{k}': v for s, w in encoders.items() for k, v in w.items()}
    torch.save(dict(state_dict=weights), path)
    return encoders


@pytest.mark.parametrize('modality', ['bone', 'motion'])
def test_the_encoder_of_a_modality_is_taken_from_several_streams(tmp_path, modality):
    encoders = save_streams(tmp_path / 'mv.pth', ['joint', 'bone', 'motion'])
    init_cfg = dict(pretrained(str(tmp_path / 'mv.pth'), None), modality=modality)
    target = build_recognizer(init_cfg).backbone.state_dict()
    assert all(torch.equal(target[key], value) for key, value in encoders[modality].items())


def test_moco_runs_of_each_modality_begin_several_streams(tmp_path):
    head = dict(type='RankHead', in_channels=4, hidden_channels=4)
    graph = dict(layout='nturgb+d', mode='stgcn_spatial')
    backbone = dict(type='STGCN', graph_cfg=graph, base_channels=4, num_stages=1)
    files = {}
    for seed, modality in enumerate(('joint', 'bone')):
        torch.manual_seed(seed)
        preprocessor = dict(type='SkeletonPreprocessor', modality=modality)
        moco = SkeletonMoCo(backbone, 4, preprocessor, dim=3, queue_size=5)
        with torch.no_grad():  # the momentum encoder differs
            for parameter in moco.key_backbone.parameters():
                parameter.add_(1)
        files[modality] = str(tmp_path / f'{modality}.pth')
        meta = to_meta(identify_model(moco))
        torch.save(dict(state_dict=moco.state_dict(), meta=meta), files[modality])
    preprocessor = dict(type='SkeletonPreprocessor', modality=['joint', 'bone'])
    backbone['init_cfg'] = dict(type='Pretrained', checkpoint=files)
    model = MVDeepRank(backbone, head, preprocessor)
    tell_initializers(model)
    model.init_weights()
    for modality, encoder in model.encoders.items():
        weights = torch.load(files[modality])['state_dict']
        for name, value in encoder.state_dict().items():
            assert torch.equal(value, weights[f'backbone.{name}']), (modality, name)

    backbone['init_cfg'] = dict(type='Pretrained', checkpoint=files['joint'])
    single = DeepRank(backbone, head, dict(type='SkeletonPreprocessor'))
    tell_initializers(single)
    single.init_weights()
    expected = model.encoders['joint'].state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in single.backbone.state_dict().items())

    for checkpoint, message in (
        (files['joint'], 'is of modality joint, and this model takes bone'),
        (dict(joint=files['joint']), 'expected one for modality bone'),
    ):
        backbone['init_cfg'] = dict(type='Pretrained', checkpoint=checkpoint)
        model = MVDeepRank(backbone, head, preprocessor)
        tell_initializers(model)
        with pytest.raises(ValueError, match=message):
            model.init_weights()


def test_several_streams_and_no_modality(tmp_path):
    save_streams(tmp_path / 'mv.pth', ['joint', 'bone'])
    with pytest.raises(ValueError, match='encoders of joint, bone: choose one'):
        build_recognizer(pretrained(str(tmp_path / 'mv.pth'), None))


@pytest.mark.parametrize('kind', ['streams', 'config', 'published'])
def test_another_modality(tmp_path, kind):
    path = tmp_path / 'bone.pth'
    if kind == 'streams':
        save_streams(path, ['bone', 'motion'])
    else:
        meta = config_text('bone') if kind == 'config' else dict(modality='bone')
        save(build_recognizer(), path, meta=meta)
    with pytest.raises(ValueError, match=r'bone\.pth.*of .*bone.*(expected|takes) joint'):
        build_recognizer(dict(pretrained(str(path), None), modality='joint'))


@pytest.mark.parametrize('modality', ['joint', 'bone'])
def test_the_recogniser_asks_for_its_own_modality(tmp_path, modality):
    save_streams(tmp_path / 'mv.pth', ['joint', 'bone'])
    model = build_recognizer(
        pretrained(str(tmp_path / 'mv.pth'), None),
        type='SkeletonRecognizer',
        data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout='nturgb+d'),
    )
    expected = torch.load(tmp_path / 'mv.pth')['state_dict']
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, expected[f'streams.{modality}.backbone.{key}'])


def test_missing_file(tmp_path):
    path = str(tmp_path / 'nowhere.pth')
    with pytest.raises(FileNotFoundError, match=r'nowhere\.pth.*pretrain first'):
        build_recognizer(pretrained(path))


def test_prefix_without_keys_names_what_was_found(tmp_path):
    path = save(build_recognizer(), tmp_path / 'source.pth')
    with pytest.raises(ValueError, match=r"source\.pth.*prefix 'encoder\.'.*backbone\.data_bn"):
        build_recognizer(pretrained(path, 'encoder.'))


def test_no_key_matches(tmp_path):
    torch.save(dict(state_dict=dict(stem=torch.zeros(1))), tmp_path / 'source.pth')
    with pytest.raises(ValueError, match='no key of STGCN; found: stem; expected: data_bn'):
        build_recognizer(pretrained(str(tmp_path / 'source.pth'), None))


@pytest.mark.parametrize('prefix', ['backbone.', None])
def test_other_width(tmp_path, prefix):
    source = build_recognizer(base_channels=8)
    path = save(source if prefix else source.backbone, tmp_path / 'wide.pth')
    with pytest.raises(ValueError, match=r'wide\.pth.*other shapes.*found \(.*8.*expected \('):
        build_recognizer(pretrained(path, prefix))


def test_other_layout(tmp_path):
    path = save(build_recognizer(layout='coco'), tmp_path / 'coco.pth')
    with pytest.raises(ValueError, match=r'data_bn.bias \(found \(51,\), expected \(75,\)\)'):
        build_recognizer(pretrained(path))


@pytest.mark.parametrize(('found', 'expected', 'word'), [(3, 2, 'unexpected'), (2, 3, 'missing')])
def test_other_depth_with_prefix(tmp_path, found, expected, word):
    path = save(build_recognizer(num_stages=found), tmp_path / 'deep.pth')
    with pytest.raises(ValueError, match=rf'does not have the keys.*{word}: gcn\.2'):
        build_recognizer(pretrained(path), num_stages=expected)


@pytest.mark.parametrize('content', [b'', b'not a checkpoint', b'truncated'])
def test_unreadable_file(tmp_path, content):
    path = tmp_path / 'broken.pth'
    if content == b'truncated':
        content = open(save(build_recognizer(), path), 'rb').read()[:500]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'broken\.pth.*cannot be read'):
        build_recognizer(pretrained(str(path)))


def test_file_that_holds_no_weights(tmp_path):
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match=r'list\.pth.*holds a list'):
        build_recognizer(pretrained(str(tmp_path / 'list.pth')))


def test_a_prefix_does_not_hide_another_modality(tmp_path):
    path = save(build_recognizer(), tmp_path / 'bone.pth', meta=config_text('bone'))
    with pytest.raises(ValueError, match='is of modality bone, and this model takes joint'):
        build_recognizer(dict(pretrained(path), modality='joint'))
    build_recognizer(dict(pretrained(path), modality='joint', allow_other=['modality']))
    save_streams(tmp_path / 'mv.pth', ['joint', 'bone'])
    stream = pretrained(str(tmp_path / 'mv.pth'), 'streams.bone.backbone.')
    with pytest.raises(ValueError, match='is of modality bone, and this model takes joint'):
        build_recognizer(dict(stream, modality='joint'))
    build_recognizer(stream)


@pytest.mark.parametrize('type', ['SkeletonRecognizer', 'RecognizerGCN'])
def test_the_encoder_of_another_layout(tmp_path, type):
    """The same number of joints, numbered or connected otherwise."""
    other = [(joint, 0) for joint in range(25)]
    meta = dict(modality='joint', layout=dict(num_joints=25, pairs=other))
    init_cfg = pretrained(save(build_recognizer(), tmp_path / 'other.pth', meta=meta), None)
    if type == 'RecognizerGCN':  # which passes nothing on
        init_cfg['layout'] = 'nturgb+d'
    preprocessor = dict(type='SkeletonPreprocessor', layout='nturgb+d')
    with pytest.raises(ValueError, match=r"of layout 'custom' \(25 joints\), and this .*nturgb\+d"):
        build_recognizer(init_cfg, type=type, data_preprocessor=preprocessor)
    init_cfg['allow_other'] = ['layout']
    build_recognizer(init_cfg, type=type, data_preprocessor=preprocessor)


@pytest.mark.parametrize(('recorded', 'warned'), [(4, True), (2, False), (None, False)])
def test_an_encoder_for_another_pooling_is_warned_of(tmp_path, monkeypatch, recorded, warned):
    meta = {} if recorded is None else dict(segments=recorded)
    path = save(build_recognizer(), tmp_path / 'encoder.pth', meta=meta)
    said = []
    monkeypatch.setattr(initializers, 'print_log', lambda text, **_: said.append(text))
    head = dict(type='SegmentHead', num_classes=3, in_channels=8, segments=2)
    model = dict(type='SkeletonRecognizer', data_preprocessor=dict(type='SkeletonPreprocessor'))
    backbone = dict(
        type='STGCN',
        base_channels=4,
        num_stages=2,
        inflate_stages=[],
        down_stages=[],
        graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
        init_cfg=dict(type='Pretrained', checkpoint=path),
    )
    MODELS.build(dict(model, backbone=backbone, cls_head=head)).init_weights()
    found = [text for text in said if 'in 4 parts of the time, and this model pools 2' in text]
    assert len(found) == warned
