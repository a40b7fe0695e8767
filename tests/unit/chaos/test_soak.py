"""What a soak takes for creeping up."""

from chaos.soak import MOST, Sample, creeping


def samples(name: str, *values: float) -> list[Sample]:
    """Samples one second apart; all other figures stay."""
    flat = dict.fromkeys(MOST, 100.0)
    return [Sample(float(at), flat | {name: value}) for at, value in enumerate(values)]


def test_what_stays_is_flat():
    assert creeping(samples("memory, MiB", *[500.0] * 20)) == []


def test_what_grows_only_in_the_beginning_is_flat():
    assert creeping(samples("memory, MiB", 100, 200, 300, *[500.0] * 17)) == []


def test_what_grows_on_and_on_is_told_with_its_figures():
    [told] = creeping(samples("memory, MiB", *[500.0 + 20 * at for at in range(20)]))
    assert told.startswith("memory, MiB: 6")
    assert "1.15 times is the most" in told


def test_one_peak_is_no_creeping():
    assert creeping(samples("file handles", *[100.0] * 17, 900.0, 100.0, 100.0)) == []


def test_each_figure_is_looked_at():
    for name in MOST:
        assert len(creeping(samples(name, *[100.0] * 10, *[200.0] * 10))) == 1


def test_without_samples_nothing_is_called_flat():
    assert creeping([]) == ["no sample was taken"]
    assert len(creeping([Sample(100.0, dict.fromkeys(MOST, 1.0))])) == len(MOST)
