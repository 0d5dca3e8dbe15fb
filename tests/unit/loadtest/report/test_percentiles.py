from __future__ import annotations

from random import Random

import pytest

from loadtest.report.percentiles import CAPACITY, Samples, percentile, percentiles


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.01, 1), (0.5, 5), (0.51, 6), (0.95, 10), (0.99, 10), (1, 10)]
)
def test_nearest_rank(share: float, value: float) -> None:
    assert percentile([10, 2, 3, 1, 5, 4, 7, 6, 9, 8], share) == value


def test_one_value_is_every_percentile() -> None:
    assert [percentile([7.0], share) for share in (0.0, 0.5, 1.0)] == [7.0] * 3


def test_no_values_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_percentiles_of_values_in_any_order() -> None:
    values = list(range(1, 1001))
    Random(1).shuffle(values)
    found = percentiles(float(value) for value in values)
    assert found is not None
    assert (found.samples, found.p50, found.p95, found.p99, found.worst) == (
        1000, 500.0, 950.0, 990.0, 1000.0,
    )  # fmt: skip


def test_nothing_measured_is_not_zero() -> None:
    assert percentiles([]) is None
    assert Samples(10, Random(1)).percentiles() is None


class TestSamples:
    def test_few_values_are_all_kept(self) -> None:
        values = [float(value) for value in range(100)]
        samples = Samples(100, Random(1))
        for value in values:
            samples.add(value)
        assert samples.percentiles() == percentiles(values)

    def test_memory_is_bounded_and_count_and_worst_are_exact(self) -> None:
        samples = Samples(50, Random(1))
        for value in range(20_000):
            samples.add(float(value % 7919))
        assert len(samples) == 50
        assert samples.count == 20_000
        found = samples.percentiles()
        assert found is not None
        assert (found.samples, found.worst) == (20_000, 7918.0)

    @pytest.mark.parametrize("seed", range(5))
    def test_percentiles_of_many_are_near_the_true_ones(self, seed: int) -> None:
        samples = Samples(CAPACITY, Random(seed))
        for value in range(200_000):  # rising: a sample of the first or the last ones would show
            samples.add(float(value))
        found = samples.percentiles()
        assert found is not None
        assert found.p50 == pytest.approx(100_000, abs=5 * 200_000 * 0.005)
        assert found.p99 == pytest.approx(198_000, abs=5 * 200_000 * 0.001)

    def test_every_value_has_the_same_chance(self) -> None:
        """300 runs keep 10 of 100: each tenth of the stream is to give 300 values."""
        tenths = [0] * 10
        for seed in range(300):
            samples = Samples(10, Random(seed))
            for value in range(100):
                samples.add(float(value))
            for kept in samples._kept:
                tenths[int(kept) // 10] += 1
        assert sum(tenths) == 3000
        # Five standard deviations of a binomial with n=3000, p=0.1.
        assert all(abs(found - 300) < 5 * 16.5 for found in tenths), tenths

    def test_the_same_seed_gives_the_same_sample(self) -> None:
        found = []
        for _ in range(2):
            samples = Samples(20, Random(4))
            for value in range(5000):
                samples.add(float(value))
            found.append(samples.percentiles())
        assert found[0] == found[1]

    def test_taking_starts_anew(self) -> None:
        samples = Samples(2, Random(1))
        for value in (5.0, 9.0, 7.0):
            samples.add(value)
        first = samples.take()
        assert first is not None
        assert first.worst == 9.0
        assert samples.take() is None
        samples.add(1.0)
        second = samples.take()
        assert second is not None
        assert (second.samples, second.worst) == (1, 1.0)

    def test_of_one_value(self) -> None:
        samples = Samples(1, Random(1))
        for value in range(1000):
            samples.add(float(value))
        assert len(samples) == 1

    def test_none_at_all_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="one value at least"):
            Samples(0, Random(1))
