"""
Cluster numbers packed into bytes, as few bits each as unpack with a table look-up.

A number is written as one or more digits, each packed with its like into a byte array of its own:
five digits of base 3 fit a byte, two of base 16, and so on. A byte array is unpacked by looking
up each byte in a table of 256 rows of digits, which ONNX has an operator for (Gather).
"""

from __future__ import annotations

import numpy as np

MOST_CLUSTERS = 256
PER_BYTE = {2: 8, 3: 5, 4: 4, 16: 2, 256: 1}  # digits of each base in a byte

# Bases of the digits, lowest digit first, by the number of clusters that they are enough for.
_BASES = {
    2: (2,),  # 1 bit a weight
    3: (3,),  # 1.6 bits
    4: (4,),  # 2 bits
    8: (4, 2),  # 3 bits
    16: (16,),  # 4 bits
    32: (16, 2),  # 5 bits
    64: (16, 4),  # 6 bits
    256: (256,),  # 8 bits
}


def bases(clusters: int) -> tuple[int, ...]:
    """Bases of the digits that numbers below `clusters` (2 to 256) are written with."""
    return _BASES[min(enough for enough in _BASES if enough >= clusters)]


def bits_per_weight(clusters: int) -> float:
    """Bits that one packed number takes."""
    return sum(8 / PER_BYTE[base] for base in bases(clusters))


def weight_of_digit(clusters: int, place: int) -> int:
    """Say what one unit of the digit at `place` is worth: the product of the bases before it."""
    return int(np.prod(bases(clusters)[:place], dtype=np.int64))


def digit_table(base: int, worth: int) -> np.ndarray:
    """
    Digits of each byte, times `worth`: uint8 [256, digits], in the order in which they follow.

    Bytes that no packing makes (243 and above in base 3) have digits too, which nobody reads.
    """
    per_byte = PER_BYTE[base]
    places = base ** np.arange(per_byte)
    return ((np.arange(256)[:, None] // places % base) * worth).astype(np.uint8)


def pack(numbers: np.ndarray, clusters: int) -> list[np.ndarray]:
    """Pack numbers below `clusters`, of any shape, into one uint8 array [bytes] for each base."""
    rest = numbers.reshape(-1).astype(np.int64)
    if rest.size and not 0 <= rest.min() <= rest.max() < clusters:
        raise ValueError(f'numbers from {rest.min()} to {rest.max()}, not 0 to {clusters - 1}')
    packed = []
    for base in bases(clusters):
        per_byte = PER_BYTE[base]
        digits = np.pad(rest % base, (0, -rest.size % per_byte)).reshape(-1, per_byte)
        packed.append((digits @ base ** np.arange(per_byte)).astype(np.uint8))
        rest = rest // base
    return packed


def unpack(packed: list[np.ndarray], clusters: int, count: int) -> np.ndarray:
    """Give the `count` numbers of byte arrays that `pack` made: uint8 [count]."""
    numbers = np.zeros(count, np.uint8)
    for place, (base, octets) in enumerate(zip(bases(clusters), packed, strict=True)):
        table = digit_table(base, weight_of_digit(clusters, place))
        numbers += table[octets].reshape(-1)[:count]
    return numbers
