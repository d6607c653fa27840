"""The figures that are no curves."""

import base64
import os

import numpy
from reporting.made_up_runs import LOG, REDRAW, write_runs

from vgg_cifar.models import ConvPool
from vgg_cifar.reporting.layer_pictures import drawn_image
from vgg_cifar.reporting.report import picture
from vgg_cifar.studies import (
    cifar100_vgg38,
    mnist_convnetjs,
)
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training import weights


def test_gradients_are_drawn_by_layer(tmp_path):
    folder = StudyFolder(tmp_path, cifar100_vgg38.STUDY, 'smoke', 2, {**REDRAW, 'name': 'cifar100'}).save()
    (figure,) = (each for each in folder.study.figures if each.id == 'gradients')
    assert picture(folder, figure) is None
    write_runs(folder, figure.variants, lambda number, seed: LOG)
    for number, variant in enumerate(figure.variants):
        for run in folder.runs(variant):
            layers = {f'conv{layer}': 10.0 ** -(number + layer) for layer in range(5)} | {'fc': 0.0}
            run.write('gradients.json', [{'epoch': 1, 'layers': layers}, {'epoch': 2, 'layers': layers}])
    assert len(picture(folder, figure)['panels']) == 2
    assert {path.name for path in (tmp_path / 'figures').iterdir()} == {
        'figure_gradients.svg',
        'figure_gradients.png',
    }


def test_pictures_are_drawn_from_the_weights_and_stay_without_them(tmp_path):
    folder = StudyFolder(tmp_path, mnist_convnetjs.STUDY, 'smoke', 1, {**REDRAW, 'name': 'mnist'}).save()
    (figure,) = (each for each in folder.study.figures if each.id == '5-6')
    assert picture(folder, figure) is None
    write_runs(folder, figure.variants, lambda number, seed: LOG)
    (run,) = folder.runs(figure.variants[0])
    options = folder.run_of(figure.variants[0]).settings.model_options
    weights.save(run.path / 'model.npz', ConvPool(**options, n_classes=10, image_shape=(1, 24, 24)))
    assert len(picture(folder, figure)['panels']) == 8
    (run.path / 'model.npz').unlink()
    # As an image, in which no script runs: the file may come from anyone.
    svg = (tmp_path / 'figures' / 'figure_5-6.svg').read_bytes()
    assert picture(folder, figure) == {
        'image': base64.b64encode(svg).decode(),
        'note': 'As it was drawn before.',
    }
    path = tmp_path / 'figures' / 'figure_5-6.svg'
    path.rename(tmp_path / 'private')
    path.symlink_to(tmp_path / 'private')
    assert picture(folder, figure) is None
    path.unlink()
    path.touch()
    os.truncate(path, 2**40)
    assert picture(folder, figure) is None


def test_the_drawn_image_is_a_ring():
    image = drawn_image(24)
    assert (image.shape, image.dtype, image.min(), image.max()) == ((1, 1, 24, 24), numpy.float32, 0, 1)
    assert image[0, 0, 12, 12] == 0
    numpy.testing.assert_array_equal(image, image[:, :, ::-1, ::-1])
    rows, columns = (numpy.flatnonzero(image[0, 0].any(axis=axis)) for axis in (1, 0))
    assert len(rows) > len(columns)
