"""From settings to a finished run folder."""

import contextlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import chainer
import chainer.links as L
import numpy
from chainer.training import Extension, Trainer
from chainer.training.updaters import StandardUpdater

from vgg_cifar.accelerators import layers
from vgg_cifar.atomic import require_folder
from vgg_cifar.counting import counted
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError, Interrupted
from vgg_cifar.foreign_text import shown
from vgg_cifar.stop_signals import StopSignals
from vgg_cifar.training import environment, settings_json, snapshot, weights
from vgg_cifar.training.batches import Batches
from vgg_cifar.training.build import (
    build_model,
    build_updater,
    choose,
    load_data,
    steps,
)
from vgg_cifar.training.device import get_device
from vgg_cifar.training.ending import Ending
from vgg_cifar.training.extensions import (
    BestModel,
    Chance,
    DecayLoss,
    Divergence,
    Evaluation,
    GradientFlow,
    RandomState,
    Throughput,
)
from vgg_cifar.training.learning_rate import MOVES_WITH_EPOCHS, Schedule, add_schedule
from vgg_cifar.training.log_entries import EntryDue, Log
from vgg_cifar.training.optimizers import rate_name
from vgg_cifar.training.progress import add_progress
from vgg_cifar.training.run_folder import ENVIRONMENT, MODEL, RESULT, SETTINGS, SNAPSHOT, RunFolder
from vgg_cifar.training.settings import Settings


def train(settings: Settings, out: Path, device: str = '-1', **options: Any) -> dict[str, Any]:
    """Train to the end, resuming what is there; see `Training`, which takes the same arguments.

    Returns:
        dict: the content of result.json: ``status`` (``finished`` or ``diverged``), ``reason``, and the
            finite values of the log's last entry.

    Raises:
        InputError: the folder holds a run with other settings or data, or is in use.
        Interrupted: Ctrl-C or SIGTERM came, or a stop was asked for.

    """
    return Training(settings, out, device, **options).result()


class Training:
    """One run, in one process.

    Args:
        settings: what to train.
        out: the run's folder. A finished run in it is left alone, an unfinished one with the same settings is
            resumed, and one with fewer epochs goes on, where that gives what all epochs in one go would give.
        device: see `get_device`.
        fresh: delete an earlier run in `out` first.
        data: the images, where the caller has loaded them already; by default those that `settings` name.
        output: where to show progress; by default nowhere.
        wait: seconds to wait for another process that is training in `out`.
        stop_asked: asked at each step whether to stop as if SIGTERM had come.
        keep_snapshot: leave the last snapshot in the folder of a finished run, which can be trained longer
            from it, by more `epochs`. It takes three times the room of the weights.

    """

    parallel: dict[str, Any] | None = None
    """What environment.json says of several processes."""

    def __init__(
        self,
        settings: Settings,
        out: Path,
        device: str = '-1',
        fresh: bool = False,
        data: ImageData | None = None,
        *,
        output: TextIO | None = None,
        wait: float = 0.0,
        stop_asked: Callable[[], bool] = lambda: False,
        keep_snapshot: bool = True,
    ) -> None:
        self.settings = settings
        self.folder = RunFolder(Path(out))
        self.fresh = fresh
        self.output = output
        self.signals = StopSignals(f'{out} is finished', self._say_stopping)
        self._device_name = device
        self._data = data
        self._wait = wait
        self._stop_asked = stop_asked
        self._keep_snapshot = keep_snapshot

    def result(self) -> dict[str, Any]:
        """Train, unless that has been done; see `train`."""
        if result := self.standing():
            return result
        self.prepare()
        with self.locked():
            # Another process may have been here meanwhile.
            if result := self.standing():
                return result
            self.start()
            with self.catching_signals():
                with layers.using_compute(self.settings.compute, self.device):
                    self.trainer.run(show_loop_exception_msg=False)
                if not self.ending.complete(self.trainer):
                    self.stop()
                result = self.finish()
                if (number := self.ending.stop()) is not None:
                    raise Interrupted(number, f'{self.folder.path} is {result["status"]}')
            return result

    def standing(self) -> dict[str, Any] | None:
        """Return the result of a run that is done; None where there is something to train.

        Raises:
            InputError: the folder holds what is not ours, or a run with other settings.

        """
        self.folder.refuse_foreign()
        if self.folder.settings is None:
            return None
        path = self.folder.path / SETTINGS
        found = settings_json.from_json(self.folder.settings, str(path))
        if self.fresh:
            return None
        result = self.folder.result
        if result and result['status'] == 'finished' and result['epoch'] < found.epochs:
            # It was to be trained longer, and was stopped before it began to be.
            result = None
        changed = settings_json.changed(self.settings, found)
        # Where the data's file lies may change.
        changed.pop('data', None)
        if list(changed) == ['epochs'] and self.settings.epochs > found.epochs:
            self._check_longer(found, result)
            return None
        if changed:
            before = ', '.join(
                f'{name} {shown(str(value), 200)} (now {wanted})' for name, (wanted, value) in changed.items()
            )
            raise InputError(
                f'{path}: this folder holds a run with {before}; choose another -o, or --fresh to start anew'
            )
        return result

    def prepare(self) -> None:
        """Load the images and build all that trains: what settings or data make impossible ends here."""
        require_folder(self.folder.path)
        settings = self.settings
        self.data = load_data(settings) if self._data is None else self._data
        self.device = self.choose_device(self._device_name)
        layers.check_compute(settings.compute, self.device)
        numpy.random.seed(settings.seed)
        self.chosen = choose(settings, self.data)
        if settings.log_steps is not None and settings.log_steps > (
            most := steps(settings, len(self.chosen.y_train))
        ):
            raise InputError(f'--log-steps is {settings.log_steps}, but the run has {counted(most, "step")}')
        self.model = build_model(settings, self.chosen)
        self.adapt_model()
        self.model.to_device(self.device)
        self.trainer = self.build_trainer()

    def locked(self) -> contextlib.AbstractContextManager[object]:
        """Own the folder."""
        return self.folder.locked(self._wait)

    def start(self) -> None:
        """Bring the trainer to where an earlier part of it has stopped, and make the folder this run's."""
        arrays = self.earlier()
        if arrays is not None:
            self.resume(arrays)
            self.say(f'{self.folder.path}: goes on after step {self.trainer.updater.iteration}')
        # From here on the folder changes.
        self.claim()

    def earlier(self) -> snapshot.Arrays | None:
        """Return what an earlier part of the run has left to go on from."""
        if self.fresh:
            return None
        self._check_started()
        return snapshot.read(self.folder)

    def claim(self) -> None:
        """Make the folder this run's."""
        if self.fresh:
            self.folder.clear()
        self.folder.write(SETTINGS, settings_json.to_json(self.settings))
        self.folder.write(ENVIRONMENT, self._environment())
        (self.folder.path / RESULT).unlink(missing_ok=True)

    def resume(self, arrays: snapshot.Arrays) -> None:
        """Bring the trainer to the state of a snapshot."""
        snapshot.restore(self.trainer, self.folder, arrays)

    def stop(self) -> None:
        """End before all is trained."""
        self.trainer.get_extension('snapshot')(self.trainer)
        number = self.ending.stop()
        assert number is not None
        raise Interrupted(number, f'{self.folder.path} holds a snapshot, the same command resumes it')

    def finish(self) -> dict[str, Any]:
        """Write what the run has come to."""
        weights.save(self.folder.path / MODEL, self.model)
        reason = self.ending.reason
        log = self.trainer.get_extension('LogReport').log
        last = {name: value for name, value in log[-1].items() if math.isfinite(value)}
        result = {'status': 'finished' if reason is None else 'diverged', 'reason': reason, **last}
        self.folder.write(RESULT, result)
        if reason is not None or not self._keep_snapshot:
            (self.folder.path / SNAPSHOT).unlink(missing_ok=True)
        return result

    def say(self, line: str) -> None:
        """Show a line of progress."""
        if self.output is not None:
            print(line, file=self.output, flush=True)

    def wants_snapshot(self) -> bool:
        """Return whether a snapshot would be of use: a run that cannot succeed is not gone on with."""
        return self.ending.reason is None

    def catching_signals(self) -> contextlib.AbstractContextManager[object]:
        """Catch signals, which `ending` then asks for, until the run is done."""
        return self.signals

    def choose_device(self, name: str) -> chainer.backend.Device:
        """Return the device to train on."""
        return get_device(name)

    def adapt_model(self) -> None:
        """Change the network before it goes to the device."""

    def updater(self) -> StandardUpdater:
        """Return what takes the steps."""
        return build_updater(self.settings, self.chosen, self.model, self.device)

    def evaluation(self, name: str, x: numpy.ndarray, y: numpy.ndarray) -> Evaluation:
        """Return what measures the network on a set."""
        return Evaluation(name, self.model, Batches(x, y, self.device))

    def random_state(self) -> RandomState:
        """Return what keeps the random generators in the snapshot."""
        return RandomState(self.settings.seed, self.device)

    def ending_of(self, *failures: Extension) -> Ending:
        """Return what ends the training."""
        return Ending(self.settings.epochs, failures, self.signals, self._stop_asked)

    def on_terminal(self) -> bool:
        """Return whether progress is drawn on a terminal."""
        return self.output is not None and self.output.isatty()

    def build_trainer(self) -> Trainer:
        """Return the trainer, with all that it does beside the steps."""
        settings, data, model = self.settings, self.chosen, self.model
        updater, n_images = self.updater(), len(data.y_train)
        divergence = Divergence()
        logged = n_images if settings.log_steps is None else settings.log_steps * settings.batch_size
        chance = Chance(data.n_classes, logged, settings.chance_patience)
        due = EntryDue(settings.log_steps, settings.epochs, divergence)
        self.ending = self.ending_of(divergence, chance)
        trainer = Trainer(updater, self.ending, out=str(self.folder.path))
        trainer.extend(divergence)
        throughput = Throughput(settings.batch_size, self.device)
        trainer.extend(throughput, trigger=due)
        # A function, because Chainer sets a name on an extension, which a method does not take.
        trainer.extend(
            lambda trainer: throughput.restart(trainer), name='restart_clock', trigger=due, priority=-1000
        )
        trainer.extend(self.evaluation('test', data.x_test, data.y_test), trigger=due)
        if data.x_validation is not None and data.y_validation is not None:
            trainer.extend(self.evaluation('validation', data.x_validation, data.y_validation), trigger=due)
            trainer.extend(BestModel(model, self.folder), trigger=due)
        if settings.weight_decay:
            trainer.extend(DecayLoss(model, settings.weight_decay), trigger=due)
        if settings.gradient_flow:
            trainer.extend(GradientFlow(model, self.folder, due))
        trainer.extend(Log(self.folder, due), name='LogReport')
        trainer.extend(chance)
        self._add_schedule(trainer, updater.get_optimizer('main'), n_images)
        trainer.extend(self.random_state())
        trainer.extend(snapshot.snapshot(self.folder, self.wants_snapshot), name='snapshot', trigger=due)
        if self.output is not None:
            add_progress(trainer, self.output, data.x_validation is not None, due, self.on_terminal())
        return trainer

    def _add_schedule(self, trainer: Trainer, optimizer: chainer.Optimizer, n_images: int) -> None:
        settings = self.settings
        rate = rate_name(settings.optimizer)
        if settings.lr_schedule != 'constant' and rate is not None:
            schedule = Schedule(settings.lr_schedule, settings.lr_decay, settings.lr_step)
            whole_steps = settings.epochs * n_images // settings.batch_size
            add_schedule(trainer, optimizer, rate, schedule, settings.epochs, whole_steps)

    def _environment(self) -> dict[str, Any]:
        parallel = {} if self.parallel is None else {'parallel': self.parallel}
        return {**environment.describe(self.device), **parallel, 'data': self.data.identity}

    def _check_longer(self, found: Settings, result: dict[str, Any] | None) -> None:
        """Refuse more epochs than a run was started for, where all in one go would give something else."""
        reason = None
        if found.lr_schedule in MOVES_WITH_EPOCHS:
            reason = f'its learning rate moves with them (--lr-schedule {found.lr_schedule})'
        elif result and result['status'] == 'diverged':
            reason = f'it has ended ({result["reason"]})'
        elif result and found.log_steps and result['iteration'] % found.log_steps:
            reason = f'its log has an entry at its end, which is no multiple of --log-steps {found.log_steps}'
        elif result and not (self.folder.path / SNAPSHOT).exists():
            reason = f'{SNAPSHOT}, from which it would go on, is gone'
        if reason is not None:
            raise InputError(
                f'{self.folder.path}: this run of {counted(found.epochs, "epoch")} cannot be trained for '
                f'{self.settings.epochs}: {reason}; choose another -o, or --fresh to start anew'
            )

    def _check_started(self) -> None:
        """Refuse to go on with other images, or with batches normalised in other parts."""
        before = self.folder.environment
        if before is None:
            return
        if before['data']['fingerprint'] != self.data.fingerprint:
            raise InputError(
                f'{self.folder.path}: this run was started on other images ({before["data"].get("source")}, '
                f'now {self.data.source}); choose another -o, or --fresh to start anew'
            )
        then, now = (self._normalised(parallel) for parallel in (before.get('parallel'), self.parallel))
        if then != now and any(isinstance(each, L.BatchNormalization) for each in self.model.links()):
            raise InputError(
                f'{self.folder.path}: this run has normalised {counted(then, "image")} together, and now it '
                f'would {now}; take as many processes as before, choose another -o, or --fresh to start anew'
            )

    def _normalised(self, parallel: dict[str, Any] | None) -> int:
        """Return how many images are normalised together."""
        if parallel is None or parallel['multi_node_batch_norm']:
            return self.settings.batch_size
        return self.settings.batch_size // parallel['processes']

    def _say_stopping(self) -> None:
        """Tell at once that a signal has come: from its handler, which may have interrupted a print."""
        if self.output is not None:
            with contextlib.suppress(OSError, ValueError):
                os.write(self.output.fileno(), b'\nstopping after this step\n')
