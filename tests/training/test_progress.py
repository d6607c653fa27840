"""What a run shows while it trains."""

import io
import warnings

import pytest

from vgg_cifar.training.train import train


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def small(settings):
    return settings.replace(model='mlp', model_options={'hidden': 1, 'units': 6}, train_size=90, epochs=2)


@pytest.mark.parametrize('validation_size', [0, 20])
def test_a_table_fits_80_columns_and_holds_the_log(small, tmp_path, validation_size):
    output = io.StringIO()
    result = train(small.replace(validation_size=validation_size), tmp_path, output=output)
    heads, first, second = output.getvalue().splitlines()
    assert max(map(len, (heads, first, second))) < 80
    assert ('valid acc' in heads) == bool(validation_size) and first.split()[0] == '1'
    assert f'{result["main/accuracy"]:.4f}' in second and f'{result["test/main/loss"]:.4g}' in second


def test_a_terminal_gets_a_bar_too_and_a_run_that_goes_on_its_earlier_lines(small, tmp_path):
    train(small.replace(epochs=1), tmp_path, output=io.StringIO())
    terminal = Terminal()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        train(small, tmp_path, output=terminal)
    lines = [line.removeprefix('\033[J') for line in terminal.getvalue().splitlines()]
    assert [line.split()[0] for line in lines if line.startswith('    ') and len(line.split()) > 4] == [
        'epoch', '1', '2',
    ]  # fmt: skip
    assert any('goes on after step' in line for line in lines)


def test_entries_by_steps_are_numbered_by_steps(small, tmp_path):
    output = io.StringIO()
    train(small.replace(log_steps=3, epochs=1), tmp_path, output=output)
    assert output.getvalue().split()[0] == 'iteration'
