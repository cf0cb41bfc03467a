"""Random numbers by counting: each is a hash of a seed and its place, so every device draws the same.

A generator with a state draws other numbers on another device, and copying what the CPU drew makes a device wait.
Here number k of a draw is a hash of k and two keys (Salmon et al. 2011 call this counter-based), in integer arithmetic
that is the same everywhere; no state is copied, and a part of a batch can be drawn without the rest. The hash is the
32-bit finalizer of Wellons (2018) with a second key in its middle; it is made for simulation, not for secrets.
"""

import hashlib
import math
from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor

_ROOT_OF_TWO = math.sqrt(2)
_BLOCK = 4096
"""So many numbers are made ahead: a training step asks dozens of times for a few, and a hash takes a dozen kernels."""


def seed_of(purpose: str, *numbers: int) -> int:
    """The seed for one purpose: a hash below 2**63 of its name and of whatever numbers tell its draws apart.

    Example:
        >>> seed_of("image", 0, 7) == seed_of("step", 0, 7)
        False
    """
    digest = hashlib.sha256("/".join([purpose, *map(str, numbers)]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Draws:
    """A source of random numbers for one purpose. Every call gives fresh ones; the order of calls decides them.

    Args:
        seed: below 2**63; see ``seed_of``.
        device: where the numbers are made.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed, self.device = seed, torch.device(device)
        self._calls = 0
        self._ahead = torch.empty(0, device=self.device)  # never written to: ``again`` shares it

    def again(self) -> "Draws":
        """A source that gives the same numbers as this one will from now on."""
        return copy(self)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in (0, 1), float32, multiples of 2**-23 moved by half of that."""
        return self._next(math.prod(shape)).clone().view(shape)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, float32; none is beyond 5.4."""
        return _inverse_normal(self._next(math.prod(shape)) * 2 - 1).view(shape)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to ``high`` - 1, int64; ``high`` below 2**23."""
        return (self._next(math.prod(shape)) * high).long().clamp_(max=high - 1).view(shape)

    def _next(self, count: int) -> Tensor:
        """So many uniform numbers, not to be written to."""
        if count > _BLOCK // 4:
            return self._made(count)
        if count > len(self._ahead):
            self._ahead = self._made(_BLOCK)
        found, self._ahead = self._ahead[:count], self._ahead[count:]
        return found

    def _made(self, count: int) -> Tensor:
        self._calls += 1
        first, second = _keys(self.seed, self._calls)
        return _uniform(_hashed(_counters(first, count, self.device), second))


class ImageDraws:
    """Random numbers of every image of a batch, that depend on the image's own latents and on nothing else.

    Args:
        latents: [N ...]; an image's numbers are hashes of the bits of its first and last one.
    """

    def __init__(self, latents: Tensor) -> None:
        flat = latents.detach().flatten(1).float()
        first, last = (flat[:, place].contiguous().view(torch.int32)[:, None].clone() for place in (0, -1))
        self._first, self._second = _hashed(first, 1), _hashed(last, 2)  # [N 1]
        self._calls = 0

    def uniform(self, *shape: int) -> Tensor:
        """Numbers [N *shape] in (0, 1), float32."""
        return _uniform(self._bits(shape))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers [N *shape], float32, for noise: 65,536 different ones, none beyond 4.4."""
        count = math.prod(shape)
        halves = self._bits((-(-count // 2),)).view(torch.int16)[:, :count]  # two numbers a hash
        return _inverse_normal((halves + 0.5).mul_(2.0**-15)).view(-1, *shape)

    def normals(self, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Standard normal numbers of several shapes, drawn at once."""
        every = self.normal(sum(map(math.prod, shapes))).split([math.prod(shape) for shape in shapes], dim=1)
        return [numbers.unflatten(1, shape) for numbers, shape in zip(every, shapes, strict=True)]

    def _bits(self, shape: Sequence[int]) -> Tensor:
        self._calls += 1
        first, second = _keys(0, self._calls)
        counters = _counters(first, math.prod(shape), self._first.device)
        return _hashed(counters + self._first, self._second ^ second).view(len(self._first), *shape)


def _keys(seed: int, call: int) -> tuple[int, int]:
    """Two int32 keys of one call (the finalizer of Steele et al. 2014 over 64 bits)."""
    mixed = (seed + call * 0x9E3779B97F4A7C15) % 2**64
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
    mixed ^= mixed >> 31
    return _signed(mixed), _signed(mixed >> 32)


def _counters(first: int, count: int, device: torch.device) -> Tensor:
    first %= 2**30  # the last of them is an int32 too
    return torch.arange(first, first + count, dtype=torch.int32, device=device)


def _hashed(bits: Tensor, key: Tensor | int) -> Tensor:
    """int32 in place; products wrap, and what a shift takes in from the sign is masked away."""
    shifted = torch.empty_like(bits)  # one for all three: fresh memory costs as much as the arithmetic
    bits ^= torch.bitwise_right_shift(bits, 16, out=shifted).bitwise_and_(0xFFFF)
    bits *= _signed(0x7FEB352D)
    bits ^= key
    bits ^= torch.bitwise_right_shift(bits, 15, out=shifted).bitwise_and_(0x1FFFF)
    bits *= _signed(0x846CA68B)
    bits ^= torch.bitwise_right_shift(bits, 16, out=shifted).bitwise_and_(0xFFFF)
    return bits


def _uniform(bits: Tensor) -> Tensor:
    # 23 bits and a half are a float32 exactly; of 24 the largest would round to 1, whose normal number is infinite.
    return bits.bitwise_right_shift_(9).bitwise_and_(0x7FFFFF).float().add_(0.5).mul_(2.0**-23)


def _inverse_normal(uniform: Tensor) -> Tensor:
    """Normal numbers from numbers in (-1, 1), in place, by the inverse of the distribution's function."""
    return uniform.erfinv_().mul_(_ROOT_OF_TWO)


def _signed(number: int) -> int:
    """The low 32 bits as an int32 has them."""
    return (number + 2**31) % 2**32 - 2**31
