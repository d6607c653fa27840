"""How long runs will take: their multiply-adds, and how fast this machine does those."""

from vgg_cifar.counting import counted
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError
from vgg_cifar.models import summary
from vgg_cifar.studies.comparison import Timing
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training.build import build_model, input_shape
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.step_time import WARM_UP

# A step forwards and backwards does three times the multiply-adds of a pass forwards.
TRAINING = 3


class Cost:
    """Multiply-adds of runs and timings on the images of `data`."""

    def __init__(self, data: ImageData) -> None:
        self.data = data
        self._per_image: dict[str, int] = {}
        self._sizes: set[tuple[int | None, int, int | None]] = set()

    def check(self, settings: Settings) -> None:
        """Raise InputError where these images are too few or too small for a run with `settings`."""
        sizes = settings.train_size, settings.validation_size, settings.test_size
        if sizes not in self._sizes:
            self.data.subset(*sizes, settings.seed)
            self._sizes.add(sizes)
        found = self.images_per_epoch(settings)
        if settings.batch_size > found:
            raise InputError(
                f'found {counted(found, "training image")}, expected at least {settings.batch_size}, a '
                'batch; take more, or another --scale'
            )
        self.of_image(settings)

    def of_image(self, settings: Settings) -> int:
        """Return the multiply-adds of one image, forwards."""
        network = str([getattr(settings, name) for name in ('model', 'model_options', 'crop')])
        if network not in self._per_image:
            shape = input_shape(settings, self.data)
            rows = summary.layers(build_model(settings, self.data), shape)
            self._per_image[network] = sum(row.multiply_accumulates for row in rows)
        return self._per_image[network]

    def images_per_epoch(self, settings: Settings) -> int:
        """Return how many images a run trains on in an epoch, copies included."""
        carved = settings.validation_size if self.data.y_validation is None else 0
        sources = settings.train_size or len(self.data.y_train) - carved
        return sources * (1 + len(settings.augment))

    def of_run(self, settings: Settings) -> float:
        """Return the multiply-adds of a run: training, and evaluation for each entry of the log."""
        trained = self.images_per_epoch(settings)
        validated = settings.validation_size
        if not validated and self.data.y_validation is not None:
            validated = len(self.data.y_validation)
        tested = validated + (settings.test_size or len(self.data.y_test))
        entries = 1 if settings.log_steps is None else trained // (settings.batch_size * settings.log_steps)
        return float(self.of_image(settings) * (TRAINING * trained + tested * entries) * settings.epochs)

    def of_timing(self, timing: Timing, folder: StudyFolder) -> float:
        """Return the multiply-adds of a timing."""
        scale = folder.study.scales[folder.scale]
        settings = [folder.run_of(variant).settings for variant in timing.variants]
        images = TRAINING * settings[0].batch_size * (WARM_UP + scale.rounds * (1 + scale.timed_steps))
        return float(sum(self.of_image(each) * images for each in settings))
