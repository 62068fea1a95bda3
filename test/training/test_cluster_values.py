"""Weight sharing, the arithmetic: KMeans, tables, and packed indices."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

import time

from edge_vision.core.errors import UserError
import numpy as np
import pytest

sklearn_cluster = pytest.importorskip('sklearn.cluster')

from threadpoolctl import threadpool_limits
from training.sharing.kmeans import cluster_values, inertia, nearest
from training.sharing.packing import bases, bits_per_weight, digit_table, pack, unpack
from training.sharing.shared import share, Shared

BITS = {2: 1, 3: 1.6, 4: 2, 5: 3, 8: 3, 16: 4, 17: 5, 32: 5, 64: 6, 65: 8, 256: 8}


def weights(shape, seed: int = 0) -> np.ndarray:
    """Weights as layers have them: near zero mostly, some far out."""
    return (np.random.default_rng(seed).standard_t(4, shape) * 0.02).astype(np.float32)


def full_inertia(values: np.ndarray, clusters: int) -> float:
    with threadpool_limits(1):
        model = sklearn_cluster.KMeans(clusters, n_init=4, random_state=1)
        return model.fit(values.reshape(-1, 1).astype(np.float64)).inertia_


@pytest.mark.parametrize('clusters', [2, 3, 8, 16, 32, 64, 256])
def test_as_good_as_full_kmeans(clusters):
    values = weights(10_000)
    centres = cluster_values(values, clusters)
    assert centres.dtype == np.float32 and centres.shape == (clusters,)
    assert (np.diff(centres) > 0).all()
    assert inertia(values, centres) <= 1.01 * full_inertia(values, clusters)


def test_few_values_are_clustered_as_they_are():
    values = np.repeat(np.float32([-2, -1, 0, 0.5, 3]), [1, 5, 50, 5, 1])
    assert cluster_values(values, 5) == pytest.approx([-2, -1, 0, 0.5, 3])
    assert inertia(values, cluster_values(values, 3)) <= 1.01 * full_inertia(values, 3)


def test_far_outliers_do_not_take_the_resolution_away():
    values = np.concatenate([weights(50_000), np.float32([90, -70])])
    assert inertia(values, cluster_values(values, 16)) <= 1.01 * full_inertia(values, 16)


def test_ten_million_weights_take_seconds():
    values = np.random.default_rng(0).standard_normal(10_000_000).astype(np.float32)
    begin_s = time.process_time()
    centres = cluster_values(values, 16)
    assert time.process_time() - begin_s < 15  # about 1; the others are for slow machines
    assert inertia(values, centres) / values.size == pytest.approx(0.009497, rel=0.01)  # Max 1960


def test_the_same_again():
    values = weights(30_000)
    shuffled = np.random.default_rng(1).permutation(values)
    assert np.array_equal(cluster_values(values, 16), cluster_values(shuffled, 16))


def test_too_few_distinct_values_are_refused():
    with pytest.raises(UserError, match='4 clusters cannot be made of 3 distinct weights; 3'):
        cluster_values(np.float32([1, 2, 3, 3, 3, 1]), 4)


def test_nearest_is_nearest():
    values, centres = weights(1000), np.float32([-0.1, -0.01, 0, 0.02, 0.2])
    wanted = np.abs(values[:, None].astype(np.float64) - centres).argmin(1)
    assert np.array_equal(nearest(values, centres), wanted)


@pytest.mark.parametrize('clusters', sorted(BITS))
def test_packing_and_back(clusters):
    for count in (1, 7, 8, 1000, 1003):
        numbers = np.random.default_rng(count).integers(0, clusters, count).astype(np.uint8)
        packed = pack(numbers, clusters)
        assert all(octets.dtype == np.uint8 for octets in packed)
        assert np.array_equal(unpack(packed, clusters, count), numbers)
    bits = 8 * sum(octets.size for octets in pack(np.zeros(4000, np.uint8), clusters)) / 4000
    assert bits == pytest.approx(BITS[clusters]) == bits_per_weight(clusters)


def test_packed_as_numpy_packs_bits():
    numbers = np.random.default_rng(0).integers(0, 2, 77).astype(np.uint8)
    assert np.array_equal(pack(numbers, 2)[0], np.packbits(numbers, bitorder='little'))
    numbers = np.random.default_rng(0).integers(0, 16, 80).astype(np.uint8)
    assert np.array_equal(pack(numbers, 16)[0], numbers[0::2] | numbers[1::2] << 4)
    low, high = pack(np.arange(8), 8)  # three bits: two of them in one array, the third in another
    assert np.array_equal(low, [0b11100100, 0b11100100]) and np.array_equal(high, [0b11110000])


def test_every_byte_has_digits():
    for clusters in BITS:
        for base in bases(clusters):
            table = digit_table(base, 1)
            assert table.shape[0] == 256 and table.max() == base - 1


def test_a_number_beyond_the_clusters_is_refused():
    with pytest.raises(ValueError, match='0 to 2'):
        pack(np.array([0, 3]), 3)


def test_share_by_layer_and_by_row():
    weight = weights((6, 5, 3, 3)) * np.arange(1, 7).reshape(-1, 1, 1, 1).astype(np.float32)
    whole, rows = share(weight, 4), share(weight, 4, by_row=True)
    assert whole.table.shape == (1, 4) and rows.table.shape == (6, 4)
    assert len(np.unique(whole.weight)) == 4
    assert [len(np.unique(row)) for row in rows.weight] == [4] * 6
    for row in range(6):
        alone = share(weight[row : row + 1], 4)
        assert np.array_equal(alone.weight[0], rows.weight[row])
    assert np.square(rows.weight - weight).sum() < np.square(whole.weight - weight).sum()


def test_zero_smallest():
    weight = weights((8, 40))
    plain, zeroed = share(weight, 3), share(weight, 3, zero=True)
    middle = np.abs(plain.table[0]).argmin()
    assert plain.sparsity == 0
    assert zeroed.sparsity == pytest.approx((plain.index == middle).mean()) and zeroed.sparsity > 0
    kept = zeroed.weight != 0
    assert np.array_equal(zeroed.weight[kept], plain.weight[kept])
    rows = share(weight, 3, by_row=True, zero=True)
    assert ((rows.weight == 0).sum(1) > 0).all()


def test_weights_that_are_not_finite_are_refused():
    weight = weights((4, 4))
    weight[1, 2] = np.nan
    with pytest.raises(UserError, match='not finite'):
        share(weight, 2)


def test_a_table_must_fit():
    with pytest.raises(ValueError, match='does not fit'):
        Shared(np.zeros((2, 4), np.float32), np.zeros((3, 4), np.uint8))
