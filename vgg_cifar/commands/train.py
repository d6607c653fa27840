"""`vgg-cifar train`: one run into one folder."""

import argparse
import sys
from pathlib import Path

from vgg_cifar.counting import counted
from vgg_cifar.errors import WorkFailed
from vgg_cifar.models import summary
from vgg_cifar.training import settings_flags
from vgg_cifar.training.build import build_model, load_data
from vgg_cifar.training.communicator import COMMUNICATORS, connected
from vgg_cifar.training.train import Training

EXAMPLES = """examples:
  vgg-cifar train --train-size 500 -b 50 -e 2 -o runs/first     a minute on two cores, synthetic images
  vgg-cifar train --data CIFAR10.hdf5 -d 0 -o runs/report       the report's own run, on the first GPU
  vgg-cifar train --depth A --no-batch-norm --summary           count the layers, train nothing
  mpiexec -n 2 vgg-cifar train --communicator naive -o runs/two two processes, one network

Several processes share each batch: -b is the size of the whole, of which each takes an equal part, so the
same settings mean the same training on any number of them, and the learning rate stays as it is. What
differs: each normalises by its own part of the batch, unless --multi-node-batch-norm is given, and draws
its own dropout.

The same command again resumes an unfinished run, and leaves a finished one alone; with a larger -e it goes
on with a finished one, too. Ctrl-C and SIGTERM stop it at the end of a step, with a snapshot. mpiexec leaves
its processes little time after these; send it SIGUSR1 instead, or SIGTERM to one of the processes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags: one for each setting, and those that do not define the run."""
    parser.description = 'Trains one network into one folder.'
    parser.epilog = EXAMPLES
    settings_flags.add_arguments(parser)
    parser.add_argument(
        '-d', '--device', default='-1', help='-1: the CPU; 0, 1, ... or @cupy:0: a GPU (default: -1)'
    )
    parser.add_argument(
        '--communicator',
        choices=COMMUNICATORS,
        help='train with all processes that mpiexec has started: naive over MPI, pure_nccl between GPUs',
    )
    parser.add_argument(
        '--multi-node-batch-norm',
        action='store_true',
        help="normalise over the whole batch, not over each process's part",
    )
    parser.add_argument(
        '-o', '--out', type=Path, default=Path('runs/train'), help='run folder (default: runs/train)'
    )
    parser.add_argument('--fresh', action='store_true', help='delete an earlier run in the folder first')
    parser.add_argument(
        '--summary', action='store_true', help="print the network's layers and counts, train nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, or print the summary."""
    with connected(arguments.communicator, arguments.multi_node_batch_norm) as processes:
        settings = settings_flags.from_arguments(arguments)
        if arguments.summary:
            data = load_data(settings)
            print(summary.table(build_model(settings, data), data.image_shape))
            return 0
        run = settings, arguments.out, arguments.device, arguments.fresh
        if processes is None:
            result = Training(*run, output=sys.stdout).result()
        else:
            # Imports ChainerMN.
            from vgg_cifar.training.together import TrainingTogether

            result = TrainingTogether(processes, *run, output=sys.stdout).result()
    if result['status'] == 'diverged':
        raise WorkFailed(f'{arguments.out}: {result["reason"]}')
    print(
        f'{arguments.out}: finished after {counted(result["epoch"], "epoch")}, '
        f'train accuracy {result["main/accuracy"]:.4f}, test accuracy {result["test/main/accuracy"]:.4f}'
    )
    return 0
