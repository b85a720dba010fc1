"""All workarounds for PyTorch, MMEngine, MMCV and MMAction2, in one place.

Importing this module applies them; import it before MMAction2's models. Each workaround is one
function that names its cause, checks whether the cause is present, and otherwise does nothing.
:data:`ACTIVE` lists those applied in this process.
"""

import functools
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import logging
import os.path as osp
import pickle
import sys
import warnings
from typing import Any, Callable, Dict, List, Optional, Tuple

ACTIVE: Dict[str, str] = {}
"""Name of each active workaround -> one sentence on the problem and its fix."""

MISSING_PACKAGE = 'mmaction.models.localizers.drn'
HISTORY_STATISTICS = ('min', 'max', 'current', 'mean')


def require_mmcv() -> None:
    """Raise with installation advice if MMCV is missing.

    Cause: MMAction2 imports ``mmcv`` without declaring it, because two packages provide it.

    Raises:
        ModuleNotFoundError: If no package provides ``mmcv``.
    """
    if importlib.util.find_spec('mmcv') is None:
        raise ModuleNotFoundError(
            "MMAction2 needs mmcv, and neither 'mmcv' nor 'mmcv-lite' is installed: "
            'pip install "mmcv-lite>=2.0.0,<2.2" (or the full mmcv of the same range).'
        )


class _MissingLocalizerFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads a stand-in for the package that is missing from MMAction2's wheel."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname in (MISSING_PACKAGE, f'{MISSING_PACKAGE}.drn'):
            is_package = fullname == MISSING_PACKAGE
            return importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)
        return None

    def exec_module(self, module) -> None:
        if module.__name__ == f'{MISSING_PACKAGE}.drn':
            module.DRN = _MissingLocalizer


class _MissingLocalizer:
    """Stands in for MMAction2's ``DRN``; not registered, and unusable."""

    def __init__(self, *args, **kwargs) -> None:
        raise NotImplementedError(
            "The localizer 'DRN' is missing from the installed mmaction2 package (its wheel was "
            'built without mmaction/models/localizers/drn): install MMAction2 from its source '
            'repository to use it.'
        )


def provide_missing_localizer() -> Optional[str]:
    """Make ``mmaction.models`` importable although one of its packages is missing.

    Cause: ``mmaction/models/localizers/drn`` has no ``__init__.py``, so the wheel and the
    source package of mmaction2 1.2.0 lack it, while ``mmaction.models.localizers`` imports it.
    Condition: the folder does not exist. The finder goes to the end of ``sys.meta_path``, so a
    real package always takes precedence.
    """
    spec = importlib.util.find_spec('mmaction')
    if spec is None or not spec.submodule_search_locations:
        return None
    relative_path = MISSING_PACKAGE.split('.')[1:]
    if any(osp.isdir(osp.join(root, *relative_path)) for root in spec.submodule_search_locations):
        return None
    sys.meta_path.append(_MissingLocalizerFinder())
    return (
        f'mmaction2 was packaged without {MISSING_PACKAGE}: a stand-in lets mmaction.models be '
        "imported; the localizer 'DRN' cannot be used."
    )


def restricted_getattr(instance: Any, name: str) -> Callable:
    """Replace ``builtins.getattr`` in a checkpoint: allow four methods and nothing else.

    Args:
        instance: The object whose attribute the checkpoint requests.
        name (str): The attribute.

    Returns:
        Callable: ``HistoryBuffer.min``, ``.max``, ``.current`` or ``.mean``.

    Raises:
        pickle.UnpicklingError: For every other request.
    """
    from mmengine.logging import HistoryBuffer

    if instance is HistoryBuffer and name in HISTORY_STATISTICS:
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(
        f'The checkpoint requests attribute {name!r} of {instance!r}; only the statistics '
        f'{HISTORY_STATISTICS} of HistoryBuffer are allowed. It was not written by MMEngine '
        'or has been tampered with: do not use it.'
    )


def _numpy_checkpoint_globals() -> List[Any]:
    """Globals that pickled NumPy arrays and scalars refer to, by their NumPy 1 and 2 names."""
    import numpy

    multiarray = numpy.zeros(0).__reduce__()[0].__module__.rsplit('.', 1)[0]
    multiarray = importlib.import_module(f'{multiarray}.multiarray')
    entries: List[Any] = [numpy.ndarray, numpy.dtype]
    for module_name in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        for name in ('_reconstruct', 'scalar'):
            entries.append((getattr(multiarray, name), f'{module_name}.{name}'))
    codes = '?' + numpy.typecodes['AllInteger'] + numpy.typecodes['Float'] + 'SU'
    entries.extend({type(numpy.dtype(code)) for code in codes})
    return entries


def allow_mmengine_checkpoints() -> Optional[str]:
    """Make MMEngine's own checkpoints loadable by ``torch.load(weights_only=True)``.

    Cause: MMEngine 0.10 stores its message hub (``HistoryBuffer``, NumPy arrays and scalars) in
    checkpoints and opens them with ``torch.load``'s default, which is ``weights_only=True`` since
    PyTorch 2.6. Condition: PyTorch 2.6 or newer. Only these classes are allowed, and loading stays
    restricted: no checkpoint runs code.
    """
    import torch
    from mmengine.logging import HistoryBuffer

    if _major_minor(torch.__version__) < (2, 6):
        return None
    entries = [HistoryBuffer, (restricted_getattr, 'builtins.getattr')]
    torch.serialization.add_safe_globals(entries + _numpy_checkpoint_globals())
    return (
        'torch.load rejects what MMEngine writes into its checkpoints: HistoryBuffer and NumPy '
        'arrays are allowed, and weights_only stays on.'
    )


def _major_minor(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in version.split('.')[:2])


def has_accelerator() -> bool:
    """Whether MMEngine's distributed setup finds an accelerator to bind a process to."""
    from mmengine import device

    names = ('is_cuda_available', 'is_mlu_available', 'is_npu_available', 'is_musa_available')
    return any(getattr(device, name)() for name in names)


def init_gloo_without_accelerator() -> Optional[str]:
    """Make ``--launcher pytorch`` work on machines without an accelerator.

    Cause: ``mmengine.dist.utils._init_dist_pytorch`` binds each process to a CUDA device
    whatever the backend. Condition: no accelerator; and per call, backend 'gloo'.
    """
    if has_accelerator():
        return None
    import torch
    from mmengine.dist import utils

    init_with_device = utils._init_dist_pytorch

    @functools.wraps(init_with_device)
    def init_dist_pytorch(backend, init_backend='torch', **kwargs) -> None:
        if backend == 'gloo' and init_backend == 'torch':
            torch.distributed.init_process_group(backend='gloo', **kwargs)
        else:
            init_with_device(backend, init_backend=init_backend, **kwargs)

    utils._init_dist_pytorch = init_dist_pytorch
    return (
        "MMEngine's --launcher pytorch asks for CUDA devices even with backend 'gloo': "
        'on this machine without an accelerator it no longer does.'
    )


def wrap_cpu_models_without_device_ids() -> Optional[str]:
    """Let MMEngine wrap a CPU model for distributed training.

    Cause: the runner passes ``device_ids=[LOCAL_RANK]`` to ``MMDistributedDataParallel`` whatever
    the device, which PyTorch rejects for CPU modules. Condition: no accelerator.
    """
    if has_accelerator():
        return None
    from mmengine.model import MMDistributedDataParallel

    init_with_devices = MMDistributedDataParallel.__init__

    @functools.wraps(init_with_devices)
    def init(self, module, *args, **kwargs) -> None:
        kwargs['device_ids'] = None
        init_with_devices(self, module, *args, **kwargs)

    MMDistributedDataParallel.__init__ = init
    return (
        "MMEngine's runner passes CUDA device numbers to DistributedDataParallel: on this machine "
        'without an accelerator they are omitted.'
    )


def cast_half_scores() -> Optional[str]:
    """Let MMAction2's heads train and predict under bf16 autocast.

    Cause: ``BaseHead.loss_by_feat`` (for its accuracy) and the accuracy metric call ``.numpy()``
    on the scores, and NumPy has no bfloat16. Condition: a bfloat16 tensor has no ``.numpy()``.
    Half-precision scores are cast to float32 for ``loss_by_feat`` and ``predict_by_feat``.
    """
    import torch

    try:
        torch.zeros(1, dtype=torch.bfloat16).numpy()
    except TypeError:
        pass
    else:
        return None
    from mmaction.models.heads.base import BaseHead

    def with_float_scores(method: Callable) -> Callable:
        @functools.wraps(method)
        def call(self, cls_scores, *args, **kwargs):
            if cls_scores.dtype in (torch.float16, torch.bfloat16):
                cls_scores = cls_scores.float()
            return method(self, cls_scores, *args, **kwargs)

        return call

    BaseHead.loss_by_feat = with_float_scores(BaseHead.loss_by_feat)
    BaseHead.predict_by_feat = with_float_scores(BaseHead.predict_by_feat)
    return (
        'NumPy has no bfloat16, which the heads of MMAction2 pass to it under mixed precision: '
        'their scores are cast to float32 first.'
    )


def is_installed(package: str) -> bool:
    """Whether a distribution or an importable module has this name."""
    try:
        importlib.metadata.distribution(package)
        return True
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None


def get_installed_path(package: str) -> str:
    """Find the folder of an installed package.

    Args:
        package (str): Name of a module ('mmaction') or of a distribution ('mmaction2').

    Returns:
        str: The folder.

    Raises:
        ModuleNotFoundError: If nothing of that name is installed.
    """
    module = package
    if importlib.util.find_spec(package) is None:
        top_level = importlib.metadata.distribution(package).read_text('top_level.txt')
        module = (top_level or package).split('\n')[0]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f'Package {package!r} (module {module!r}) has no folder with an __init__.py: '
            'install it, or name a regular package.'
        )
    return osp.dirname(spec.origin)


def find_packages_without_pkg_resources() -> Optional[str]:
    """Make ``_base_ = 'mmaction::...'`` work with any version of setuptools.

    Cause: MMEngine 0.10 finds packages through ``pkg_resources``, which setuptools 82 dropped and
    earlier versions deprecate with a warning on every import. Condition: MMEngine's functions use
    ``pkg_resources``. Two functions based on ``importlib.metadata`` replace them. A tool that reads
    such a config before it imports this package does not benefit: install setuptools < 82 there.
    """
    import mmengine.config.config
    import mmengine.hub.hub
    from mmengine.utils import package_utils

    if 'pkg_resources' not in package_utils.get_installed_path.__code__.co_names:
        return None
    for module in (package_utils, mmengine.utils, mmengine.config.config, mmengine.hub.hub):
        for function in (is_installed, get_installed_path):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)
    return (
        'MMEngine finds packages through pkg_resources, which setuptools 82 dropped: '
        'importlib.metadata replaces it.'
    )


def register_own_configs() -> Optional[str]:
    """Let a config inherit ours with ``_base_ = 'deeprank_plugin::deeprank/deeprank_stgcn.py'``.

    Cause: MMEngine looks such names up in a fixed table of OpenMMLab's packages. Condition: ours
    is not in it.
    """
    from mmengine.config.utils import MODULE2PACKAGE

    if 'deeprank_plugin' in MODULE2PACKAGE:
        return None
    MODULE2PACKAGE['deeprank_plugin'] = 'deeprank_plugin'
    return 'MMEngine knows only the packages of OpenMMLab: deeprank_plugin is added to its table.'


def quiet_known_notices() -> Optional[str]:
    """Suppress notices that appear in every run and that a user cannot act on.

    Causes: MMCV's lite build reports an operator that it lacks; MMEngine sets the thread counts
    of distributed processes and warns about it, uses an argument of DistributedDataParallel
    that PyTorch has renamed, and its checkpoint hook calls its own deprecated ``FileClient``,
    whose notices are logged for debugging only; PyTorch reports a loader's ``pin_memory=True``, as
    our configs set it, on a machine without an accelerator. Each filter names the message and its
    module.
    """
    from mmengine.fileio import file_client

    for category, message, module in (
        (
            UserWarning,
            r'Fail to import ``MultiScaleDeformableAttention``',
            r'mmcv\.cnn\.bricks\.transformer',
        ),
        (UserWarning, r'Setting (OMP|MKL)_NUM_THREADS', r'mmengine\.utils\.dl_utils\.setup_env'),
        (
            FutureWarning,
            r'`broadcast_buffers` is deprecated',
            r'mmengine\.model\.wrappers\.distributed',
        ),
        (
            UserWarning,
            r"'pin_memory' argument is set as true but no accelerator is found",
            r'torch\.utils\.data\.dataloader',
        ),
    ):
        warnings.filterwarnings('ignore', message=message, category=category, module=module)
    print_log = file_client.print_log

    def log_for_debugging(message, logger=None, level=None) -> None:
        print_log(message, logger=logger, level=logging.DEBUG)

    file_client.print_log = log_for_debugging
    return (
        'Notices of MMCV and MMEngine that appear in every run and need no action are suppressed.'
    )


def _apply() -> None:
    """Apply every workaround in order and record those that were needed."""
    require_mmcv()
    for workaround in (
        quiet_known_notices,
        provide_missing_localizer,
        allow_mmengine_checkpoints,
        init_gloo_without_accelerator,
        wrap_cpu_models_without_device_ids,
        find_packages_without_pkg_resources,
        register_own_configs,
        cast_half_scores,
    ):
        sentence = workaround()
        if sentence is not None:
            ACTIVE[workaround.__name__] = sentence


_apply()
