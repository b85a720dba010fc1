"""Convolutions in fewer products, taken in the frequencies of short tiles (for CPUs).

A CPU does matrix products as fast as convolutions, so that fewer of them take less time. On a GPU
nothing of the kind was measured.
"""

import math
from functools import lru_cache
from typing import Optional, Tuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TILE = 30  # joints or tuples that are convolved at once, about
MIN_CHANNELS = 128  # of the output; with fewer, nothing is gained
CHUNK = 16  # bodies that are encoded at once where no gradient is taken, to save memory


def bilinear_convolution(outputs: int, taps: int) -> Tuple[Tensor, Tensor, Tensor]:
    """Matrices A, G and B with which a correlation is A ((G w) * (B x)), * element by element.

    The discrete Fourier transform of the length L = outputs + taps - 1, in real numbers: one
    product for a real frequency, three for a complex one (Gauss), so about 1.5 L for
    ``outputs * taps``. The other ends wrap around only where no output is asked for.

    Args:
        outputs (int): Outputs y_i = sum_k w_k x_{i + k}, i < outputs.
        taps (int): Weights w_k, k < taps.

    Returns:
        tuple: A of shape (outputs, E), G of (E, taps) and B of (E, L), in float64.
    """
    length = outputs + taps - 1
    index = torch.arange(length, dtype=torch.float64)
    rows_a, rows_g, rows_b = [], [], []
    for frequency in range(length // 2 + 1):
        angle = 2 * math.pi * frequency / length * index
        cos, sin = angle.cos(), angle.sin()
        if frequency == 0 or 2 * frequency == length:
            rows_a.append(cos[:outputs] / length)
            rows_g.append(cos[:taps])
            rows_b.append(cos)
            continue
        # X = (cos - i sin) x, and W = (cos + i sin) w of a correlation; with
        # p = Re W (Re X + Im X), q = Re X (Im W - Re W) and r = Im X (Re W + Im W),
        # Re XW = p - r, Im XW = p + q; y takes Re XW cos - Im XW sin, twice: also the conjugate's
        real, imaginary = 2 / length * cos[:outputs], -2 / length * sin[:outputs]
        rows_a += [real + imaginary, imaginary, -real]
        rows_g += [cos[:taps], sin[:taps] - cos[:taps], sin[:taps] + cos[:taps]]
        rows_b += [cos - sin, cos, -sin]
    return torch.stack(rows_a, dim=1), torch.stack(rows_g), torch.stack(rows_b)


@lru_cache(maxsize=32)
def tile_matrices(length: int, taps: int, dtype: torch.dtype) -> Tuple[Tensor, Tensor, Tensor]:
    """The matrices of :func:`bilinear_convolution` for tiles of a row with zeros at its ends.

    Args:
        length (int): Length of the row, which the convolution keeps.
        taps (int): Weights of the kernel, odd.
        dtype (torch.dtype): Of the matrices.

    Returns:
        tuple: A of shape (m, E) for tiles of m outputs, G of (E, taps), B of (tiles, E, length) for
        the whole row; tiles * m is the length or somewhat more.
    """
    tiles = max(1, round(length / TILE))
    outputs = math.ceil(length / tiles)
    a, g, b = bilinear_convolution(outputs, taps)
    padded = b.new_zeros(tiles, len(b), tiles * outputs + taps - 1)
    for tile in range(tiles):
        padded[tile, :, tile * outputs : tile * outputs + b.shape[1]] = b
    rows = padded[:, :, taps // 2 : taps // 2 + length]
    return a.to(dtype), g.to(dtype), rows.to(dtype)


def to_frequencies(weight: Tensor, g: Tensor) -> Tensor:
    """Kernels of shape (O, C, taps) in each of the E terms: (E, O, C)."""
    return (g @ weight.reshape(-1, weight.shape[2]).T).view(len(g), *weight.shape[:2])


def from_frequencies(kernel: Tensor, g: Tensor) -> Tensor:
    """The transpose of :func:`to_frequencies`, (E, O, C) to (O, C, taps), for gradients."""
    return (g.T @ kernel.view(len(g), -1)).T.reshape(*kernel.shape[1:], g.shape[1])


class AttendAndConvolve(torch.autograd.Function):
    """:func:`attend_and_convolve` with channels last, and its gradients."""

    @staticmethod
    def forward(ctx, x: Tensor, attention: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(N, T, P, C), (N, H, P, P), (O, H * C, taps) and (O,) to (N, T, P, O)."""
        batch, tuples, positions, channels = x.shape
        out_channels, _, taps = weight.shape
        a, g, b = tile_matrices(positions, taps, x.dtype)
        tiles, terms, outputs = len(b), len(g), len(a)
        # B, which acts on the joints as attention does, is multiplied into it
        spread = (attention @ b.flatten(0, 1).T).permute(0, 3, 1, 2)
        spread = spread.reshape(batch, -1, positions)  # (N, tiles * E * H, P)
        mixed = x.new_empty(batch, tuples, spread.shape[1], channels)
        for i in range(batch):
            torch.bmm(spread[i].expand(tuples, -1, -1), x[i], out=mixed[i])
        kernel = to_frequencies(weight, g)
        products = x.new_empty(batch * tuples * tiles, terms, out_channels)
        torch.bmm(
            mixed.view(len(products), terms, -1).transpose(0, 1),
            kernel.transpose(1, 2),
            out=products.transpose(0, 1),
        )
        y = torch.bmm(a.expand(len(products), -1, -1), products).add_(bias)
        ctx.save_for_backward(x, weight, spread, mixed)
        return y.view(batch, tuples, tiles * outputs, out_channels)[:, :, :positions].contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> Tuple[Optional[Tensor], ...]:
        """Gradients of x, attention, weight and bias."""
        x, weight, spread, mixed = ctx.saved_tensors
        batch, tuples, positions, channels = x.shape
        out_channels, width, taps = weight.shape
        a, g, b = tile_matrices(positions, taps, x.dtype)
        tiles, terms, outputs = len(b), len(g), len(a)
        of_bias = gradient.sum((0, 1, 2)) if ctx.needs_input_grad[3] else None
        missing = tiles * outputs - positions
        if missing > 0:
            gradient = torch.nn.functional.pad(gradient, (0, 0, 0, missing))
        gradient = gradient.reshape(-1, outputs, out_channels)
        rows = len(gradient)
        products = torch.bmm(a.T.expand(rows, -1, -1), gradient).transpose(0, 1)
        of_x = of_attention = of_weight = None
        if ctx.needs_input_grad[2]:
            of_kernel = products.transpose(1, 2) @ mixed.view(rows, terms, width).transpose(0, 1)
            of_weight = from_frequencies(of_kernel, g)
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            of_mixed = torch.empty_like(mixed)
            torch.bmm(
                products,
                to_frequencies(weight, g),
                out=of_mixed.view(rows, terms, width).transpose(0, 1),
            )
            of_x = torch.empty_like(x)
            of_spread = x.new_empty(batch, positions, spread.shape[1])
            for i in range(batch):
                torch.bmm(spread[i].T.expand(tuples, -1, -1), of_mixed[i], out=of_x[i])
                torch.addbmm(
                    of_spread[i], x[i], of_mixed[i].transpose(1, 2), beta=0, out=of_spread[i]
                )
            of_spread = of_spread.view(batch, positions, tiles * terms, -1).permute(0, 3, 1, 2)
            of_attention = of_spread @ b.flatten(0, 1)
        return of_x, of_attention, of_weight, of_bias


class ConvolveTuples(torch.autograd.Function):
    """:func:`convolve_tuples` with channels last, and its gradients."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(N, T, P, C), (O, C, taps) and (O,) to (N, T, P, O)."""
        ctx.save_for_backward(x, weight)
        a, g, b = tile_matrices(x.shape[1], weight.shape[2], x.dtype)
        spectrum = spectrum_of_tuples(x, b)
        products = spectrum.flatten(1, 3) @ to_frequencies(weight, g).transpose(1, 2)
        y = x.new_empty(*x.shape[:3], len(weight))
        products = products.view(len(g), len(b), len(x), -1)
        for i in range(len(x)):
            for tile, outputs in enumerate(y[i].flatten(1).split(len(a))):
                torch.mm(a[: len(outputs)], products[:, tile, i], out=outputs)
        return y.add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> Tuple[Optional[Tensor], ...]:
        """Gradients of x, weight and bias."""
        x, weight = ctx.saved_tensors
        a, g, b = tile_matrices(x.shape[1], weight.shape[2], x.dtype)
        gradient = gradient.contiguous()
        of_x = of_weight = None
        of_bias = gradient.sum((0, 1, 2)) if ctx.needs_input_grad[2] else None
        products = x.new_empty(len(g), len(b), len(x), gradient[0, 0].numel())
        for i in range(len(x)):
            for tile, outputs in enumerate(gradient[i].flatten(1).split(len(a))):
                torch.mm(a[: len(outputs)].T, outputs, out=products[:, tile, i])
        products = products.view(len(g), -1, len(weight))
        if ctx.needs_input_grad[1]:
            spectrum = spectrum_of_tuples(x, b).flatten(1, 3)
            of_weight = from_frequencies(products.transpose(1, 2) @ spectrum, g)
        if ctx.needs_input_grad[0]:
            of_spectrum = products @ to_frequencies(weight, g)
            of_spectrum = of_spectrum.view(len(g) * len(b), len(x), -1)
            of_x = torch.empty_like(x)
            rows = b.transpose(0, 1).flatten(0, 1)
            for i in range(len(x)):
                torch.mm(rows.T, of_spectrum[:, i], out=of_x[i].flatten(1))
        return of_x, of_weight, of_bias


def spectrum_of_tuples(x: Tensor, b: Tensor) -> Tensor:
    """(N, T, P, C) and B of (tiles, E, T) to (E, tiles, N, P, C)."""
    spectrum = x.new_empty(b.shape[1] * len(b), len(x), x[0, 0].numel())
    rows = b.transpose(0, 1).flatten(0, 1)
    for i in range(len(x)):
        torch.mm(rows, x[i].flatten(1), out=spectrum[:, i])
    return spectrum.view(b.shape[1], len(b), len(x), *x.shape[2:])


def attend_and_convolve(x: Tensor, attention: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What joints see of others under each head, then a 1 x k convolution over joints and heads.

    Its numbers are those of ``conv2d`` of the heads' products, up to rounding. It multiplies in the
    frequencies of tiles of about 30 joints: 1.7 products an output instead of k.

    Args:
        x (Tensor): Input of shape (N, C, T, P), best in ``torch.channels_last``.
        attention (Tensor): Attention of shape (N, H, P, P): what each joint (last axis) takes from
            others.
        weight (Tensor): Weights of shape (O, H * C, 1, k), k odd.
        bias (Tensor): Bias of shape (O,).

    Returns:
        Tensor: Output of shape (N, O, T, P), in ``torch.channels_last``.
    """
    x = x.permute(0, 2, 3, 1).contiguous()
    size = len(x) if torch.is_grad_enabled() else CHUNK
    parts = [
        AttendAndConvolve.apply(*some, weight.squeeze(2), bias)
        for some in zip(x.split(size), attention.split(size))
    ]
    y = parts[0] if len(parts) == 1 else torch.cat(parts)
    return y.permute(0, 3, 1, 2)


def convolve_tuples(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A k x 1 convolution over tuples, in the way of :func:`attend_and_convolve`.

    Args:
        x (Tensor): Input of shape (N, C, T, P), best in ``torch.channels_last``.
        weight (Tensor): Weights of shape (O, C, k, 1), k odd.
        bias (Tensor): Bias of shape (O,).

    Returns:
        Tensor: Output of shape (N, O, T, P), in ``torch.channels_last``.
    """
    x = x.permute(0, 2, 3, 1).contiguous()
    return ConvolveTuples.apply(x, weight.squeeze(3), bias).permute(0, 3, 1, 2)


def runs_here(x: Tensor) -> bool:
    """Whether the convolutions of this module are for a tensor: plain arithmetic on a CPU.

    Mixed precision, and graphs that are traced, exported or compiled, take PyTorch's own.
    """
    if x.device.type != 'cpu' or x.dtype not in (torch.float32, torch.float64):
        return False
    if torch.is_autocast_enabled('cpu') or torch.jit.is_tracing():
        return False
    return not (torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export())


def stands_for(conv: nn.Module, x: Tensor) -> bool:
    """Whether a convolution is to be taken by this module: wide, and with more than one tap.

    One that was replaced (by a quantised one, say) or that has hooks is called as it is.
    """
    if type(conv) is not nn.Conv2d or conv._forward_hooks or conv._forward_pre_hooks:
        return False
    return max(conv.kernel_size) > 1 and conv.out_channels >= MIN_CHANNELS and runs_here(x)
