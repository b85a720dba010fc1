"""Scope 'deeprank_plugin': what is asked for there is found in MMAction2's registries."""

import pytest
from helpers import ROOT
from mmaction import registry as theirs
from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry

from deeprank_plugin import registry as ours


def test_every_registry_has_its_child():
    names = [name for name, found in vars(theirs).items() if isinstance(found, Registry)]
    assert len(names) > 20
    for name in names:
        child, parent = getattr(ours, name), getattr(theirs, name)
        assert child.parent is parent and child.scope == 'deeprank_plugin' and not child.module_dict


@pytest.mark.parametrize('name', ['DeepRank', 'STGCN', 'mmaction.STGCN'])
def test_both_packages_are_found_from_it(name):
    assert ours.MODELS.get(name).__name__ == name.split('.')[-1]


def test_a_config_that_inherits_by_the_scope(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'deeprank_plugin::deeprank/deeprank_stgcn-w16.py'\n")
    expected = Config.fromfile(ROOT / 'configs' / 'deeprank' / 'deeprank_stgcn-w16.py')
    cfg = Config.fromfile(path)
    assert cfg.model.backbone.type == expected.model.backbone.type
    with DefaultScope.overwrite_default_scope('deeprank_plugin'):
        assert type(theirs.MODELS.build(cfg.model)).__name__ == 'DeepRank'
