"""From settings to a finished run folder."""

import contextlib
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chainer
import chainer.links as L
import numpy
from chainer.training import Trainer
from chainer.training import extensions as chainer_extensions
from chainer.training.updaters import StandardUpdater

from vgg_cifar import datasets, models
from vgg_cifar.accelerators import layers
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.datasets.images_on_disk import ImagesOnDisk
from vgg_cifar.errors import InputError, Interrupted
from vgg_cifar.training import environment, optimizers, random_transforms, weights
from vgg_cifar.training.augmentation import augmented
from vgg_cifar.training.batches import Batches, ShuffledBatches
from vgg_cifar.training.batches_from_disk import BatchesFromDisk
from vgg_cifar.training.communicator import ALONE, OneProcess
from vgg_cifar.training.extensions import (
    BestModel,
    CleanStop,
    DecayLoss,
    Diverged,
    Divergence,
    Evaluation,
    GradientFlow,
    ProcessMeans,
    RandomState,
    Throughput,
)
from vgg_cifar.training.learning_rate import add_schedule
from vgg_cifar.training.progress import add_progress
from vgg_cifar.training.run_folder import LOG, RunFolder
from vgg_cifar.training.settings import VGG_FLAGS, Settings
from vgg_cifar.training.snapshot import resume, snapshot


def load_data(settings: Settings) -> ImageData:
    """Load the images that `settings` name, all of them; `train` draws the subset."""
    wanted = None if settings.train_size is None else settings.train_size + settings.validation_size
    return datasets.load(settings.data, train_size=wanted, test_size=settings.test_size)


def train(
    settings: Settings,
    out: Path,
    device: str = '-1',
    fresh: bool = False,
    data: ImageData | None = None,
    *,
    quiet: bool = False,
    wait: float = 0.0,
    stop_asked: Callable[[], bool] = lambda: False,
    processes: OneProcess = ALONE,
) -> dict[str, Any]:
    """Train to the end, resuming what is there.

    Args:
        settings: what to train.
        out: the run's folder. A finished run in it is left alone; an unfinished one with the same settings
            is resumed.
        device: see `get_device`, and `Communicator.device` where several processes train.
        fresh: delete an earlier run in `out` first.
        data: the images, where the caller has loaded them already; by default those that `settings` name.
        quiet: print nothing.
        wait: seconds to wait for another process that is training in `out`.
        stop_asked: asked at each step whether to stop as if SIGTERM had come.
        processes: which train together; all of them call this with the same arguments.

    Returns:
        dict: the content of result.json: ``status`` (``finished`` or ``diverged``), ``reason``, and the
            finite values of the log's last entry.

    Raises:
        InputError: the folder holds a run with other settings or data, or is in use. All processes raise it.
        Interrupted: Ctrl-C or SIGTERM came, or a stop was asked for.

    """
    with contextlib.ExitStack() as stack:
        with processes.agreed():
            folder = RunFolder(stack.enter_context(processes.folder(Path(out))))
            stack.enter_context(folder.locked(wait))
            if not fresh:
                _check_settings(folder, settings)
            result = None if fresh else folder.result
        result = processes.from_first(result)
        if result:
            return result
        with processes.agreed():
            data = load_data(settings) if data is None else data
            if not fresh:
                _check_data(folder, data)
            chainer_device = processes.device(device)
            check_compute(settings.compute, chainer_device)
            numpy.random.seed(settings.seed)
            chosen = choose(settings, data)
            model = build_model(settings, chosen)
            if not fresh:
                _check_normalization(folder, settings, model, processes)
            processes.normalization(model)
            model.to_device(chainer_device)
            stop = CleanStop(settings.epochs, stop_asked, processes)
            trainer = _build_trainer(settings, chosen, model, chainer_device, folder, stop, processes)
        processes.share(model)
        if not quiet:
            # mpiexec has its processes believe in a terminal.
            plain = processes.communicator is not None
            add_progress(trainer, chosen.x_validation is not None, log_interval(settings), plain)
        if processes.rank == 0:
            if fresh:
                # Only now that nothing in the settings or the data can stop the new run.
                folder.clear()
            folder.write('settings.json', settings.to_json())
            folder.write('environment.json', _environment(chainer_device, data, processes))
        resumed = resume(trainer, folder, processes)
        if processes.communicator and not quiet:
            print(_division(settings, processes), flush=True)
        if resumed and not quiet:
            print(f'{folder.path}: goes on after step {trainer.updater.iteration}', flush=True)
        status, reason = 'finished', None
        try:
            with layers.using_compute(settings.compute):
                trainer.run(show_loop_exception_msg=False)
        except Diverged as error:
            status, reason = 'diverged', str(error)
        if stop.received is not None and trainer.updater.epoch < settings.epochs:
            if processes.rank == 0:
                trainer.get_extension('snapshot')(trainer)
            raise Interrupted(stop.received, f'{folder.path} holds a snapshot, the same command resumes it')
        with processes.agreed():
            if processes.rank == 0:
                weights.save(folder.path / 'model.npz', model)
            last = {name: value for name, value in (folder.log or [{}])[-1].items() if math.isfinite(value)}
            result = {'status': status, 'reason': reason, **last}
            folder.write('result.json', result)
        return processes.from_first(result)


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
    options = settings.model_options
    if settings.model == 'vgg':
        options = {name: getattr(settings, name) for name in VGG_FLAGS}
    return models.build(settings.model, options, data.n_classes, input_shape(settings, data))


def build_updater(
    settings: Settings,
    data: ImageData,
    model: chainer.Chain,
    device: chainer.backend.Device,
    processes: OneProcess = ALONE,
) -> StandardUpdater:
    """Return what takes the training steps of `model` on the training images of `data`."""
    images = (
        BatchesFromDisk(data.x_train, data.y_train, device)
        if isinstance(data.x_train, ImagesOnDisk)
        else Batches(data.x_train, data.y_train, device)
    )
    if settings.batch_size > len(images):
        raise InputError(
            f'--batch-size is {settings.batch_size}, but there are {len(images)} training images; '
            'choose a smaller one'
        )
    if settings.batch_size % processes.size:
        raise InputError(
            f'--batch-size is {settings.batch_size}, which {processes.size} processes cannot divide evenly; '
            f'choose a multiple of {processes.size}'
        )
    transform = random_transforms.build(settings.crop, settings.random_erasing, data.image_shape)
    classifier = chainer.links.Classifier(model)
    optimizer = optimizers.build(
        settings.optimizer, classifier, settings.lr, settings.optimizer_options, settings.weight_decay
    )
    return StandardUpdater(
        ShuffledBatches(
            images, settings.batch_size, settings.seed, transform, processes.part(settings.batch_size)
        ),
        processes.optimizer(optimizer),
        converter=lambda batch, device: batch,
        device=device,
    )


def _build_trainer(
    settings: Settings,
    data: ImageData,
    model: chainer.Chain,
    device: chainer.backend.Device,
    folder: RunFolder,
    stop: CleanStop,
    processes: OneProcess,
) -> Trainer:
    updater = build_updater(settings, data, model, device, processes)
    optimizer, n_images = updater.get_optimizer('main'), len(data.y_train)
    interval = log_interval(settings)
    logged = n_images if settings.log_steps is None else settings.log_steps * settings.batch_size
    trainer = Trainer(updater, stop, out=str(folder.path))
    throughput = Throughput(settings.batch_size, device)
    trainer.extend(throughput, trigger=interval)
    # A function, because Chainer sets a name on an extension, which a method does not take.
    trainer.extend(
        lambda trainer: throughput.restart(trainer),
        name='restart_clock',
        trigger=interval,
        priority=-1000,
    )
    if processes.size > 1:
        trainer.extend(ProcessMeans(model, processes))
    part = processes.part(len(data.y_test))
    test = Batches(data.x_test[part], data.y_test[part], device)
    trainer.extend(Evaluation('test', model, test, processes), trigger=interval)
    if data.x_validation is not None and data.y_validation is not None:
        part = processes.part(len(data.y_validation))
        validation = Batches(data.x_validation[part], data.y_validation[part], device)
        trainer.extend(Evaluation('validation', model, validation, processes), trigger=interval)
        trainer.extend(BestModel(model), trigger=interval)
    if settings.weight_decay:
        trainer.extend(DecayLoss(model, settings.weight_decay), trigger=interval)
    if settings.gradient_flow:
        trainer.extend(GradientFlow(model, interval))
    trainer.extend(chainer_extensions.LogReport(trigger=interval, filename=LOG))
    trainer.extend(Divergence(data.n_classes, logged, settings.chance_patience))
    add_schedule(trainer, settings, optimizer, n_images)
    trainer.extend(RandomState(settings.seed, device, processes))
    trainer.extend(stop)
    if processes.rank == 0:
        trainer.extend(snapshot(folder), name='snapshot', trigger=interval)
    return trainer


def log_interval(settings: Settings) -> tuple[int, str]:
    """Return the interval between entries of the log, in epochs or iterations, as Chainer's triggers say."""
    return (1, 'epoch') if settings.log_steps is None else (settings.log_steps, 'iteration')


def check_compute(compute: str, device: chainer.backend.Device) -> None:
    """Raise InputError unless networks can be computed in this type on this device."""
    if compute != 'float32' and device.xp is not numpy:
        raise InputError(f'--compute {compute} is for the CPU; leave it out on {device}')
    layers.check_compute(compute)


def _division(settings: Settings, processes: OneProcess) -> str:
    each = settings.batch_size // processes.size
    return (
        f'{processes.size} processes, each with {each} of the {settings.batch_size} images of a step; '
        'the learning rate is as set'
    )


def _environment(device: chainer.backend.Device, data: ImageData, processes: OneProcess) -> dict[str, Any]:
    parallel = {'parallel': processes.record} if processes.communicator else {}
    return {**environment.describe(device), **parallel, 'data': data.identity}


def _check_settings(folder: RunFolder, settings: Settings) -> None:
    """Refuse to resume a run with other settings; where the data's file lies may change."""
    if folder.settings is None:
        return
    path = folder.path / 'settings.json'
    found = Settings.from_json(folder.settings, str(path))
    changed = settings.changed(found)
    changed.pop('data', None)
    if changed:
        before = ', '.join(f'{name} {getattr(found, name)} (now {value})' for name, value in changed.items())
        raise InputError(
            f'{path}: this folder holds a run with {before}; choose another -o, or --fresh to start anew'
        )


def _check_data(folder: RunFolder, data: ImageData) -> None:
    if folder.environment is None:
        return
    try:
        source, fingerprint = (folder.environment['data'][name] for name in ('source', 'fingerprint'))
    except (KeyError, TypeError):
        path = folder.path / 'environment.json'
        raise InputError(
            f'{path}: does not say on which images; restore it, or start anew with --fresh'
        ) from None
    if fingerprint != data.fingerprint:
        raise InputError(
            f'{folder.path}: this run was started on other images ({source}, now {data.source}); '
            'choose another -o, or --fresh to start anew'
        )


def _check_normalization(
    folder: RunFolder, settings: Settings, model: chainer.Chain, processes: OneProcess
) -> None:
    """Refuse to go on with batches normalised in other parts; without normalisation all parts are alike."""
    if folder.environment is None or not any(
        isinstance(each, L.BatchNormalization) for each in model.links()
    ):
        return
    before, now = (
        settings.batch_size // (1 if record['multi_node_batch_norm'] else record['processes'])
        for record in (folder.environment.get('parallel', ALONE.record), processes.record)
    )
    if before != now:
        raise InputError(
            f'{folder.path}: this run has normalised {before} images together, and now it would {now}; '
            'take as many processes as before, choose another -o, or --fresh to start anew'
        )
