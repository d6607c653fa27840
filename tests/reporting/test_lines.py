"""Means and standard errors over the seeds."""

import numpy

from vgg_cifar.reporting.lines import read_line


def lines(folder):
    (figure,) = (figure for figure in folder.study.figures if figure.id == '7')
    return [read_line(folder, figure, figure.panels[0], variant) for variant in figure.variants]


def test_mean_and_standard_error_over_the_seeds(folder):
    for number, line in enumerate(lines(folder)[:2]):
        assert line.n == 2
        numpy.testing.assert_array_equal(line.x, [1, 2, 3])
        numpy.testing.assert_allclose(line.mean, [10 * number + epoch + 0.5 for epoch in (1, 2, 3)])
        # Two values one apart: standard deviation 1 / sqrt(2), standard error 1 / 2.
        numpy.testing.assert_allclose(line.error, 0.5)


def test_a_line_ends_where_its_shortest_run_ends(folder):
    numpy.testing.assert_array_equal(lines(folder)[2].x, [1, 2])


def test_no_runs_no_line(folder):
    figure = next(figure for figure in folder.study.figures if figure.id == '8')
    line = read_line(folder, figure, figure.panels[0], figure.variants[1])
    assert (line.n, len(line.x)) == (0, 0)
