"""The sentence beside a page's path."""

import pytest
from reporting.made_up_runs import REDRAW, entry, write_runs

from vgg_cifar.reporting.learned import learned
from vgg_cifar.studies import emnist_kernels
from vgg_cifar.studies.study_folder import StudyFolder


@pytest.fixture
def told(tmp_path, request):
    """Tell what has been learnt where each variant and seed ends at a made-up training accuracy."""
    data = {**REDRAW, **getattr(request, 'param', {})}
    folder = StudyFolder(tmp_path, emnist_kernels.STUDY, 'smoke', 2, data).save()
    figure = emnist_kernels.STUDY.figures[0]

    def tell(accuracy):
        def log(number, seed):
            return [{**entry(1, 0.1, 0.1), 'main/accuracy': accuracy(number, seed)}]

        write_runs(folder, figure.variants, log)
        return learned(folder, [figure])

    tell.labels = [variant.label for variant in figure.variants]
    tell.nothing = learned(folder, [figure])
    return tell


def test_no_run(told):
    assert told.nothing == 'No run has finished yet.'


def test_the_ends_are_means_over_seeds(told):
    first, last = told.labels[0], told.labels[-1]
    expected = (
        f'Training accuracy ends between 21% ({first}) and {20 + 10 * (len(told.labels) - 1) + 1}% ({last})'
    )
    assert told(lambda number, seed: 0.2 + 0.1 * number + 0.02 * seed) == expected + ', where chance is 2%.'


@pytest.mark.parametrize('accuracy', [0.0, 1 / 47, 0.06])
def test_chance_is_called_chance(told, accuracy):
    """Of 100 images in 47 classes, guessing gets 2 right, and three deviations above that 6.4."""
    assert told(lambda *_: accuracy).startswith('No network is above chance (2%)')


@pytest.mark.parametrize('told', [{'n_classes': 10}], indirect=True)
def test_chance_is_that_of_the_images_that_were_given(told):
    assert told(lambda *_: 0.12).startswith('No network is above chance (10%)')
    assert told(lambda *_: 0.25).endswith(', where chance is 10%.')
