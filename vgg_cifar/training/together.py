"""A run in several processes, each of which does with a part of the images what one does with all of them.

The first (rank 0) reads and writes the run's folder and speaks; the others write into a folder that goes
again, and print nothing. They talk to each other at a few places only: by what is here.
"""

import contextlib
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chainer
import numpy
from chainer.training import Extension, Trainer

from vgg_cifar.counting import counted
from vgg_cifar.errors import InputError, Interrupted
from vgg_cifar.training import snapshot
from vgg_cifar.training.batches import Batches
from vgg_cifar.training.build import build_batches, build_optimizer
from vgg_cifar.training.communicator import Communicator
from vgg_cifar.training.ending import Ending
from vgg_cifar.training.extensions import Evaluation, RandomState
from vgg_cifar.training.extensions.process_means import ProcessMeans
from vgg_cifar.training.run_folder import RunFolder
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.train import Training
from vgg_cifar.training.updater import Updater


class TrainingTogether(Training):
    """One run in several processes, all of which make one of these, with the same arguments."""

    def __init__(
        self, processes: Communicator, settings: Settings, out: Path, *arguments: Any, **options: Any
    ):
        super().__init__(settings, out, *arguments, **options)
        self._processes = processes
        self.parallel = processes.record

    def result(self) -> dict[str, Any]:
        if self._processes.rank == 0:
            return super().result()
        with tempfile.TemporaryDirectory() as scratch:
            self.folder = RunFolder(Path(scratch))
            return super().result()

    def standing(self) -> dict[str, Any] | None:
        result = None
        with self._processes.agreed():
            if self._processes.rank == 0:
                result = super().standing()
        return self._processes.from_first(result)

    def prepare(self) -> None:
        with self._processes.agreed():
            super().prepare()
        self._processes.share(self.model)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            with self._processes.agreed():
                stack.enter_context(super().locked())
            yield

    def earlier(self) -> snapshot.Arrays | None:
        arrays = None
        with self._processes.agreed():
            if self._processes.rank == 0:
                arrays = super().earlier()
        size, images = self._processes.size, self.settings.batch_size
        processes, whole = counted(size, 'process', 'processes'), counted(images, 'image')
        self.say(
            f'{processes}, each with {images // size} of the {whole} of a step; the learning rate is as set'
        )
        return self._processes.from_first(arrays)

    def claim(self) -> None:
        with self._processes.agreed():
            if self._processes.rank == 0:
                super().claim()

    def resume(self, arrays: snapshot.Arrays) -> None:
        with self._processes.agreed():
            super().resume(arrays)

    def finish(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        with self._processes.agreed():
            if self._processes.rank == 0:
                result = super().finish()
        return self._processes.from_first(result)

    def wants_snapshot(self) -> bool:
        return self._processes.rank == 0 and super().wants_snapshot()

    @contextlib.contextmanager
    def catching_signals(self) -> Iterator[None]:
        self.signals.catch()
        try:
            yield
        except Interrupted:
            # Where another process's signal has stopped this one, its own may still be on the way.
            if self.signals.received is not None:
                self.signals.release()
            raise
        else:
            self.signals.release()

    def choose_device(self, name: str) -> chainer.backend.Device:
        return self._processes.device(name)

    def adapt_model(self) -> None:
        self._processes.normalisation(self.model)

    def updater(self) -> Updater:
        size, batch_size = self._processes.size, self.settings.batch_size
        if batch_size % size:
            raise InputError(
                f'--batch-size is {batch_size}, which {size} processes cannot divide evenly; '
                f'choose a multiple of {size}'
            )
        batches = build_batches(self.settings, self.chosen, self.device, self._processes.part(batch_size))
        optimizer = self._processes.optimizer(build_optimizer(self.settings, self.model))
        return Updater(batches, optimizer, self.device)

    def evaluation(self, name: str, x: numpy.ndarray, y: numpy.ndarray) -> Evaluation:
        part = self._processes.part(len(y))
        return EvaluationTogether(name, self.model, Batches(x[part], y[part], self.device), self._processes)

    def random_state(self) -> RandomState:
        return OwnRandomState(self.settings.seed, self.device, self._processes.rank)

    def ending_of(self, *failures: Extension) -> Ending:
        ending = EndingTogether(self.settings.epochs, failures, self.signals, self._stop_asked)
        ending.processes = self._processes
        return ending

    def build_trainer(self) -> Trainer:
        trainer = super().build_trainer()
        if self._processes.size > 1:
            trainer.extend(ProcessMeans(self.model, self._processes))
        return trainer

    def on_terminal(self) -> bool:
        # mpiexec has its processes believe in one.
        return False


class EndingTogether(Ending):
    """All stop at the same step, whichever of them has got a signal."""

    processes: Communicator

    def stop(self) -> signal.Signals | None:
        number = self.processes.greatest(super().stop() or 0)
        return signal.Signals(number) if number else None


class EvaluationTogether(Evaluation):
    """Each measures its part of the set; ChainerMN's own would average the parts' means."""

    def __init__(self, name: str, model: chainer.Link, batches: Batches, processes: Communicator) -> None:
        super().__init__(name, model, batches)
        self._processes = processes

    def sums(self, loss: float, accuracy: float, count: int) -> tuple[float, float, int]:
        loss, accuracy, total = self._processes.sum(numpy.array([loss, accuracy, count])).tolist()
        return loss, accuracy, int(total)


class OwnRandomState(RandomState):
    """Each draws numbers of its own: NumPy's generator, too, is seeded anew at each step."""

    def __init__(self, seed: int, device: chainer.backend.Device, process: int) -> None:
        super().__init__(seed, device)
        self.process = process

    def __call__(self, trainer: Trainer) -> None:
        super().__call__(trainer)
        if self.device.xp is numpy:
            numpy.random.seed(self.step(trainer.updater.iteration).generate_state(4))
