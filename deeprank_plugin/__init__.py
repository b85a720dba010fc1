"""DeepRank and Multi-View DeepRank for MMAction2: importing this package registers everything.

Configs name it once: ``custom_imports = dict(imports=['deeprank_plugin'])``.
"""

from . import compat  # isort: skip  # noqa: F401  must come before MMAction2 is imported
from . import datasets, engine, evaluation, models  # noqa: F401
from .version import __version__

__all__ = ['__version__']
