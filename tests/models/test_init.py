"""The models' front door names what the package registers."""

from mmaction.registry import MODELS

from deeprank_plugin import models


def test_every_registered_class_is_named():
    registered = {
        name
        for name, found in MODELS.module_dict.items()
        if found.__module__.startswith('deeprank_plugin.models.')
    }
    assert registered == set(models.__all__)
    assert all(getattr(models, name) is MODELS.get(name) for name in registered)
