"""What a run is made of, from its settings: images, network, optimizer, batches."""

import dataclasses

import chainer

from vgg_cifar import datasets, models
from vgg_cifar.counting import counted
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.datasets.images_on_disk import ImagesOnDisk
from vgg_cifar.errors import InputError
from vgg_cifar.training import optimizers, random_transforms
from vgg_cifar.training.augmentation import augmented
from vgg_cifar.training.batches import Batches, ShuffledBatches
from vgg_cifar.training.batches_from_disk import BatchesFromDisk
from vgg_cifar.training.classifier import Classifier
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.updater import Updater


def load_data(settings: Settings) -> ImageData:
    """Load the images that `settings` name, all of them; `choose` draws the subset."""
    wanted = None if settings.train_size is None else settings.train_size + settings.validation_size
    return datasets.load(settings.data, train_size=wanted, test_size=settings.test_size)


def choose(settings: Settings, data: ImageData) -> ImageData:
    """Return the images that a run sees: the subset that its seed draws, with the copies it asks for.

    Where it trains on random windows, those it is tested on are the middle ones.
    """
    sizes = settings.train_size, settings.validation_size, settings.test_size
    chosen = augmented(data.subset(*sizes, settings.seed), settings.augment)
    if settings.crop is None:
        return chosen
    cropped = {
        part: random_transforms.middle_crop(getattr(chosen, part), settings.crop)
        for part in ('x_test', 'x_validation')
        if getattr(chosen, part) is not None
    }
    return dataclasses.replace(chosen, **cropped)


def input_shape(settings: Settings, data: ImageData) -> tuple[int, ...]:
    """Return (C, H, W) of what the network sees."""
    channels, *size = data.image_shape
    return (channels, *(size if settings.crop is None else (settings.crop, settings.crop)))


def build_model(settings: Settings, data: ImageData) -> chainer.Chain:
    """Return the network that `settings` describe, for the images of `data`."""
    return models.build(settings.model, settings.model_options, data.n_classes, input_shape(settings, data))


def build_optimizer(settings: Settings, model: chainer.Chain) -> chainer.Optimizer:
    """Return what updates the weights of `model`, which learns to classify."""
    optimizer = optimizers.build(
        settings.optimizer,
        Classifier(model),
        settings.lr,
        settings.optimizer_options,
        settings.weight_decay,
    )
    if settings.compute == 'float16':
        # Gradients below 2^-24 are 0 in float16, and above 65504 infinite.
        optimizers.scale_losses(optimizer)
    return optimizer


def build_batches(
    settings: Settings, data: ImageData, device: chainer.backend.Device, part: slice = slice(None)
) -> ShuffledBatches:
    """Return the batches of training images, or a part of each; InputError where there are too few images."""
    images = (
        BatchesFromDisk(data.x_train, data.y_train, device)
        if isinstance(data.x_train, ImagesOnDisk)
        else Batches(data.x_train, data.y_train, device)
    )
    if settings.batch_size > len(images):
        found = counted(len(images), 'training image')
        raise InputError(
            f'--batch-size is {settings.batch_size}, but the data has {found}; choose a smaller one'
        )
    transform = random_transforms.build(settings.crop, settings.random_erasing, data.image_shape)
    return ShuffledBatches(images, settings.batch_size, settings.seed, transform, part)


def build_updater(
    settings: Settings, data: ImageData, model: chainer.Chain, device: chainer.backend.Device
) -> Updater:
    """Return what takes the training steps of `model` on the training images of `data`."""
    return Updater(build_batches(settings, data, device), build_optimizer(settings, model), device)


def steps(settings: Settings, n_images: int) -> int:
    """Return how many steps a run takes: until all epochs over the `n_images` images are complete."""
    return -(-settings.epochs * n_images // settings.batch_size)
