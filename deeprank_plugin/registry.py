"""MMEngine's scope 'deeprank_plugin', for configs inherited as 'deeprank_plugin::...'.

Everything is registered with MMAction2: each registry here is an empty child that looks there.
"""

from mmaction import registry as mmaction_registry
from mmengine.registry import Registry

for _name, _parent in vars(mmaction_registry).copy().items():
    if isinstance(_parent, Registry):
        globals()[_name] = Registry(
            _parent.name, parent=_parent, scope='deeprank_plugin', locations=_parent._locations
        )
