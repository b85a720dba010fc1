"""Unpickle NumPy arrays and plain containers, and nothing else.

A pickle names functions and calls them. Here each name that NumPy's pickles use maps to a function
in this file, which checks its arguments before NumPy sees them: NumPy itself trusts what a pickle
says about a type, and a damaged pickle can crash the process.

``torch.load(weights_only=True)`` is not a substitute: it reads PyTorch's own files, not plain
pickles such as MMAction2's annotations, and restores arrays with NumPy's own, trusting functions.
"""

import collections
import math
import pickle
import re
from typing import Any, Dict, NoReturn, Tuple

import numpy as np

# kind and size of the allowed types: booleans, integers, floats, complex numbers, strings, bytes
# and Python objects, which are themselves limited to what this file allows
TYPE_CODE = re.compile(r'\?|b1|[iu][1248]|f(2|4|8|12|16)|c(8|16|24|32)|O[48]?|[SU]\d{1,6}')
ORDERS = '<>=|'
CONTAINERS = (dict, list, tuple, collections.OrderedDict)

_scalar = np.float32(0).__reduce__()[0]  # its module has another name in NumPy 1 and 2


class _Type:
    """Stands in for a NumPy type until its byte order, which comes last, is known."""

    __hash__ = None  # type: ignore[assignment]  # no dict key: it will be replaced

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not isinstance(code, str) or not TYPE_CODE.fullmatch(code):
            reject(f'it asks for the NumPy type {code!r:.80}')
        self.value = np.dtype(code)

    def __setstate__(self, state: Tuple) -> None:
        """Set the byte order; the code implies everything else in the state."""
        if not isinstance(state, tuple) or len(state) < 8 or state[1] not in tuple(ORDERS):
            reject(f'the NumPy type {self.value} has the state {state!r:.80}')
        if any(part is not None for part in state[2:5]) or state[5] not in (
            -1,
            self.value.itemsize,
        ):
            reject(f'the NumPy type {self.value} is not a plain number, string or object')
        self.value = self.value.newbyteorder(state[1])


class _Array:
    """Stands in for a NumPy array until its state is read."""

    __hash__ = None  # type: ignore[assignment]

    def __setstate__(self, state: Tuple) -> None:
        """Let NumPy restore the array once shape, type and data are found to match."""
        if not isinstance(state, tuple) or len(state) != 5:
            reject(f'a NumPy array has the state {state!r:.80}')
        _, shape, kind, fortran, data = state
        check_shape(shape)
        dtype, length = read_type(kind), math.prod(shape)
        if isinstance(data, str):  # as Python 2 wrote it
            data = encode(data)
        held = list if dtype.hasobject else bytes
        size = length if dtype.hasobject else length * dtype.itemsize
        if type(data) is not held or len(data) != size:
            reject(f'a NumPy array of type {dtype} and shape {shape} has data that do not match')
        self.value = np.ndarray.__new__(np.ndarray, (0,), 'b')
        self.value.__setstate__((1, shape, dtype, bool(fortran), data))


_NDARRAY = object()  # placeholder for numpy.ndarray, not callable


def reject(reason: str) -> NoReturn:
    """Raise the error for a pickle that is not allowed."""
    raise pickle.UnpicklingError(reason)


def check_shape(shape: Any) -> None:
    """Reject anything but a tuple of lengths."""
    if type(shape) is not tuple or len(shape) > 32:
        reject(f'a NumPy array has the shape {shape!r:.80}')
    if any(type(length) is not int or length < 0 for length in shape):
        reject(f'a NumPy array has the shape {shape!r:.80}')


def read_type(kind: Any) -> np.dtype:
    """The NumPy type behind a stand-in."""
    if type(kind) is not _Type:
        reject(f'a NumPy array has the type {kind!r:.80}')
    return kind.value


def make_array(subtype: Any, shape: Any, code: Any) -> _Array:
    """Replaces ``_reconstruct``: an array whose state follows."""
    if subtype is not _NDARRAY:
        reject(f'it asks for an array of type {subtype!r:.80}')
    return _Array()


def make_scalar(kind: Any, data: Any) -> np.generic:
    """Replaces ``scalar``: a number or string of a NumPy type."""
    dtype = read_type(kind)
    if dtype.hasobject or type(data) is not bytes or len(data) != dtype.itemsize:
        reject(f'a NumPy number of type {dtype} has the data {data!r:.80}')
    return _scalar(dtype, data)


def make_from_buffer(data: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> np.ndarray:
    """Replaces ``_frombuffer``, which pickles of protocol 5 use."""
    check_shape(shape)
    dtype = read_type(kind)
    if dtype.hasobject or type(data) not in (bytes, bytearray) or order not in ('C', 'F', 'K'):
        reject(f'a NumPy array of type {dtype} has data of type {type(data).__name__}')
    if len(data) != math.prod(shape) * dtype.itemsize:
        reject(f'a NumPy array of type {dtype} and shape {shape} has data that do not match')
    array = np.frombuffer(data, dtype) if len(data) else np.empty(shape, dtype)
    if order != 'K':
        return array.reshape(shape, order=order)
    axes = range(len(shape)) if axes is None else axes
    if sorted(axes) != list(range(len(shape))):
        reject(f'a NumPy array of {len(shape)} dimensions has the axes {axes!r:.80}')
    return array.reshape(shape).transpose(tuple(axes))


def encode(text: Any, codec: Any = 'latin1') -> bytes:
    """Replaces ``_codecs.encode``, with which protocol 2 stores bytes."""
    if type(text) is not str or codec not in ('latin1', 'latin-1'):
        reject(f'it asks for the encoding {codec!r:.80}')
    try:
        return text.encode('latin1')
    except UnicodeEncodeError:
        reject('its bytes are stored as a string that is not Latin-1')


def make_bytearray(data: Any = b'', codec: Any = 'latin1') -> bytearray:
    """Replaces ``bytearray``, which would also accept a number of bytes to allocate."""
    return bytearray(encode(data, codec) if isinstance(data, str) else bytes(memoryview(data)))


# Full names only: allowing a module would let a dotted name reach the builtins through it.
# The names are those of NumPy 1 and 2, and of Python 2 and 3.
ALLOWED: Dict[Tuple[str, str], Any] = {
    ('numpy', 'ndarray'): _NDARRAY,
    ('numpy', 'dtype'): _Type,
    ('_codecs', 'encode'): encode,
    ('collections', 'OrderedDict'): collections.OrderedDict,
}
for _core in ('numpy.core', 'numpy._core'):
    ALLOWED[f'{_core}.multiarray', '_reconstruct'] = make_array
    ALLOWED[f'{_core}.multiarray', 'scalar'] = make_scalar
    ALLOWED[f'{_core}.numeric', '_frombuffer'] = make_from_buffer
for _builtins in ('builtins', '__builtin__'):
    ALLOWED[_builtins, 'bytearray'] = make_bytearray
    for _plain in (set, frozenset, complex):
        ALLOWED[_builtins, _plain.__name__] = _plain


class SafeUnpickler(pickle.Unpickler):
    """Allows NumPy arrays and plain containers only."""

    def find_class(self, module: str, name: str) -> Any:
        """The object that a name maps to.

        Raises:
            pickle.UnpicklingError: If the name is not allowed.
        """
        if (module, name) not in ALLOWED:
            reject(f'it asks for {module}.{name}')
        return ALLOWED[module, name]

    def load(self) -> Any:
        """Read the pickle and resolve its stand-ins."""
        return replace_stand_ins(super().load(), {})


def replace_stand_ins(value: Any, done: Dict[int, Tuple[Any, Any]]) -> Any:
    """Replace stand-ins by the arrays and types that were read.

    Lists and dicts are modified in place, tuples replaced.

    Args:
        value: What was unpickled.
        done (dict): ``id`` of each container seen to the container and its replacement; keeping
            them alive ensures that no ``id`` is reused.
    """
    kind = type(value)
    if kind in (_Array, _Type):
        return replace_stand_ins(value.value, done)
    if kind not in CONTAINERS and not (kind is np.ndarray and value.dtype.hasobject):
        return value
    if id(value) in done:
        return done[id(value)][1]
    done[id(value)] = (value, value)
    if kind is tuple:
        parts = tuple(replace_stand_ins(part, done) for part in value)
        if any(new is not old for new, old in zip(parts, value)):
            done[id(value)] = (value, parts)
        return done[id(value)][1]
    if kind is np.ndarray:
        places = [(index, part) for index, part in np.ndenumerate(value)]
    else:
        places = list(enumerate(value)) if kind is list else list(value.items())
    for place, part in places:
        new = replace_stand_ins(part, done)
        if new is not part:
            value[place] = new
    return value
