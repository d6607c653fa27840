"""How long runs will take: their multiply-adds, and how fast this machine does those."""

from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.models import summary
from vgg_cifar.studies.study import Timing
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.step_time import WARM_UP
from vgg_cifar.training.train import build_model

# A step forwards and backwards does three times the multiply-adds of a pass forwards.
TRAINING = 3


class Cost:
    """Multiply-adds of runs and timings on the images of `data`."""

    def __init__(self, data: ImageData) -> None:
        self.data = data
        self._per_image: dict[tuple[str, int], int] = {}

    def of_image(self, settings: Settings) -> int:
        """Return the multiply-adds of one image, forwards."""
        network = settings.depth, settings.filter_size
        if network not in self._per_image:
            rows = summary.layers(build_model(settings, self.data), self.data.image_shape)
            self._per_image[network] = sum(row.multiply_accumulates for row in rows)
        return self._per_image[network]

    def images_per_epoch(self, settings: Settings) -> int:
        """Return how many images a run trains on in an epoch, copies included."""
        sources = settings.train_size or len(self.data.y_train) - settings.validation_size
        return sources * (1 + len(settings.augment))

    def of_run(self, settings: Settings) -> float:
        """Return the multiply-adds of a run: training, and evaluation after each epoch."""
        tested = settings.validation_size + (settings.test_size or len(self.data.y_test))
        images = TRAINING * self.images_per_epoch(settings) + tested
        return float(self.of_image(settings) * images * settings.epochs)

    def of_timing(self, timing: Timing, folder: StudyFolder) -> float:
        """Return the multiply-adds of a timing."""
        scale = folder.study.scales[folder.scale]
        settings = [folder.run_of(variant).settings for variant in timing.variants]
        images = TRAINING * settings[0].batch_size * (WARM_UP + scale.rounds * (1 + scale.timed_steps))
        return float(sum(self.of_image(each) * images for each in settings))
