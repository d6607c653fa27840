"""`vgg-cifar reproduce`: a report's figures, from the images to the page."""

import argparse
import contextlib
import dataclasses
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vgg_cifar.accelerators.layers import COMPUTE, check_compute
from vgg_cifar.atomic import replacing, require_folder, write_json
from vgg_cifar.convolution_implementations import study as convolution_study
from vgg_cifar.counting import counted
from vgg_cifar.dask_connection import connected, missing
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError, WorkFailed
from vgg_cifar.reporting.learned import learned
from vgg_cifar.studies import STUDIES, get_study
from vgg_cifar.studies.study import Figure, Study
from vgg_cifar.studies.study_folder import FOLDERS, INDEX, StudyFolder, study_id
from vgg_cifar.sweeps import slurm
from vgg_cifar.sweeps.cost import Cost
from vgg_cifar.sweeps.serial import ThisProcess
from vgg_cifar.sweeps.sweep import Runner, run_all
from vgg_cifar.training.build import load_data
from vgg_cifar.training.device import get_device
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.train import train

EXAMPLES = """examples:
  vgg-cifar reproduce ie598 --scale smoke -o results/smoke               minutes, synthetic images
  vgg-cifar reproduce ie598 --scale quick --data CIFAR10.hdf5            about an hour, real images
  vgg-cifar reproduce ie598 --figure 6 --data CIFAR10.hdf5 --seeds 3     one figure, with error bars
  vgg-cifar reproduce ie598 --scale full --data CIFAR10.hdf5 -d 0        the report's own scale, on a GPU
  vgg-cifar reproduce ie598 --data CIFAR10.hdf5 --jobs 2                 two runs at a time, in processes
  vgg-cifar reproduce ie598 --data CIFAR10.hdf5 -d 0,1,2,3               four at a time, a GPU for each
  vgg-cifar reproduce ie598 --data CIFAR10.hdf5 --scheduler tcp://10.0.0.1:8786    on a Dask cluster
  vgg-cifar reproduce mnist_convnetjs --scale full --data MNIST.hdf5     another report
  vgg-cifar reproduce all --scale smoke                                  every report, and an index over them

A run is named after its settings, its seed and its images: the same command again skips what is finished
and resumes what is not, and figures that share a run share its folder."""

ALL = 'all'
GPU = re.compile(r'(@cupy:)?\d+')


def add_comparison(parser: argparse.ArgumentParser, report: str, figures: Sequence[str]) -> None:
    """Add the options of a comparison script, whose report and figures are given."""
    _add_options(parser, scale='full')
    parser.set_defaults(report=report, figures=figures, run=run, script=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the report, the figures and the options."""
    parser.description = "Rebuilds a report's figures, from the images to the page."
    parser.epilog = EXAMPLES
    parser.add_argument(
        'report',
        metavar='REPORT',
        help=f'which report: {", ".join(STUDIES)}; {convolution_study.ID}; or {ALL} of these',
    )
    parser.add_argument(
        '--figure',
        dest='figures',
        nargs='+',
        action='extend',
        metavar='ID',
        help='only these figures (default: all)',
    )
    _add_options(parser, scale='quick')


def _add_options(parser: argparse.ArgumentParser, scale: str) -> None:
    scales = list(dict.fromkeys(name for study in STUDIES.values() for name in study.scales))
    parser.add_argument(
        '--scale', choices=scales, default=scale, help=f'how much of the report to do (default: {scale})'
    )
    parser.add_argument(
        '--data',
        type=Path,
        metavar='FILE.hdf5',
        help="images (CIFAR10.hdf5.md), or a folder that holds the report's file, such as MNIST.hdf5 "
        '(default: synthetic images)',
    )
    parser.add_argument(
        '--seeds', type=int, metavar='N', help="runs per variant, seeds 0 to N - 1 (default: the scale's)"
    )
    parser.add_argument(
        '--compute', choices=COMPUTE, default='float32', help='what networks multiply in (default: float32)'
    )
    parser.add_argument(
        '-d',
        '--device',
        default='-1',
        help='-1: the CPU; 0, 1, ... or @cupy:0: a GPU; several with commas: one for each job (default: -1)',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        metavar='N',
        help='train N runs at a time, in processes that share the cores (default: one for each device; one '
        'device: one run after the other, in this process)',
    )
    parser.add_argument(
        '--scheduler', metavar='ADDRESS', help='train on the workers of the Dask cluster at tcp://HOST:PORT'
    )
    parser.add_argument(
        '--print-slurm-array',
        action='store_true',
        help='train nothing; print a script for SLURM, each task of which does one run',
    )
    parser.add_argument(
        '--task', type=int, metavar='K', help='do one run, the K-th from 0, and build no page'
    )
    parser.add_argument(
        '--verbose', action='store_true', help="print each run's epochs, not only how it has ended"
    )
    parser.add_argument(
        '-o', '--out', type=Path, metavar='DIR', help="the study's folder (default: results/REPORT-SCALE)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train and measure what is missing, build the page, or all pages and their index, and print its path."""
    if arguments.task is not None or arguments.print_slurm_array:
        _array(arguments)
    elif arguments.report == ALL:
        print(_all(arguments))
    else:
        print(_one(arguments.report, arguments, arguments.out))
    return 0


def _all(arguments: argparse.Namespace) -> Path:
    if arguments.figures:
        raise InputError('--figure is for one report; leave it out with all')
    if arguments.data is not None and not arguments.data.is_dir():
        raise InputError(
            f'--data is {arguments.data}; with all, expected a folder that holds a file for each report'
        )
    out = arguments.out or Path('results') / f'{ALL}-{arguments.scale}'
    # What the last report lacks is not to be found out when the others have taken hours.
    for report_id in STUDIES:
        make_plan(report_id, arguments, out / report_id)
    _check_convolutions(arguments.scale, out / convolution_study.ID)
    failures = []
    for report_id in (*STUDIES, convolution_study.ID):
        try:
            print(_one(report_id, arguments, out / report_id, in_index=True), flush=True)
        except WorkFailed as error:
            print(error, flush=True)
            failures.append(f'{report_id}: {error}')
    from vgg_cifar.reporting import index

    page = index.build(out)
    if failures:
        raise WorkFailed('; '.join(failures))
    return page


def _one(report_id: str, arguments: argparse.Namespace, out: Path | None, in_index: bool = False) -> Path:
    """Do one report into `out`; return its page."""
    out = out or default_folder(report_id, arguments.scale)
    heading = f'{report_id}:\n' if in_index else ''
    if report_id == convolution_study.ID:
        print(heading, end='', flush=True)
        return _convolutions(arguments.scale, out, in_index)
    plan = make_plan(report_id, arguments, out)
    try:
        with (
            _begun(plan.folder),
            runner(arguments.scheduler, arguments.jobs, plan, arguments.verbose) as found,
        ):
            # By now nothing is refused any more.
            about = plan.folder.study.scales[arguments.scale].about
            print(f'{heading}{plan.folder.caption()}: {about}', flush=True)
            run_all(plan.figures, plan.wanted, found, plan.cost, sys.stdout)
    except WorkFailed:
        # What has been done is worth a page.
        _page(plan.folder, in_index)
        raise
    page = _page(plan.folder, in_index)
    print(learned(plan.folder, plan.figures), flush=True)
    return page


def _page(folder: StudyFolder, in_index: bool) -> Path:
    # matplotlib takes a while to import, which a command that is refused does not wait for.
    from vgg_cifar.reporting import report

    return report.build(folder, in_index)


def _array(arguments: argparse.Namespace) -> None:
    """Print a script for SLURM, or do what one of its tasks does."""
    if arguments.report == ALL or arguments.report == convolution_study.ID:
        raise InputError(f'a job array is of the runs of one report, not of {arguments.report}')
    if arguments.jobs is not None or arguments.scheduler is not None or ',' in arguments.device:
        raise InputError('a task of a job array does one run on one -d; leave out --jobs and --scheduler')
    out = arguments.out or default_folder(arguments.report, arguments.scale)
    plan = make_plan(arguments.report, arguments, out)
    runs = plan.wanted.all_runs(plan.figures)
    if arguments.print_slurm_array:
        gpu = GPU.fullmatch(arguments.device) is not None
        print(slurm.array_script(plan.folder.caption(), command(arguments, out), len(runs), out, gpu), end='')
        return
    if not 0 <= arguments.task < len(runs):
        raise InputError(
            f'--task is {arguments.task}; expected one of {counted(len(runs), "run")}, numbered from 0'
        )
    chosen = runs[arguments.task]
    plan.folder.save()
    path = plan.folder.run_folder(chosen.id).path
    result = train(
        chosen.settings, path, arguments.device, data=plan.data, output=sys.stdout, keep_snapshot=False
    )
    print(f'{path}: {result["status"]}')


def command(arguments: argparse.Namespace, out: Path) -> list[str]:
    """Return the arguments of `vgg-cifar` that do all of what a job array into `out` is for."""
    given = {
        '--scale': [arguments.scale],
        '--figure': arguments.figures or [],
        '--data': [] if arguments.data is None else [arguments.data],
        '--seeds': [] if arguments.seeds is None else [arguments.seeds],
        '--compute': [arguments.compute],
        '-d': [arguments.device],
        '-o': [out],
    }
    flags = [word for flag, values in given.items() if values for word in (flag, *map(str, values))]
    return ['reproduce', arguments.report, *flags]


def default_folder(report_id: str, scale: str) -> Path:
    """Return where a study goes that no -o is given for."""
    return Path('results') / f'{report_id}-{scale}'


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a command asks for.

    Attributes:
        figures: which.
        folder: the study's, with all the seeds that it holds, which are shown.
        wanted: the same, with the seeds that are asked for, which are trained.
        images: what to load, and what to compute in.
        data: the images.
        devices: where to train.
        cost: of runs on these images.

    """

    figures: tuple[Figure, ...]
    folder: StudyFolder
    wanted: StudyFolder
    images: Settings
    data: ImageData
    devices: tuple[str, ...]
    cost: Cost


def make_plan(report_id: str, arguments: argparse.Namespace, out: Path) -> Plan:
    """Check everything that can be checked before the work starts; nothing is written."""
    study = get_study(report_id)
    _check_out(out, report_id)
    figures = choose_figures(study, arguments.figures)
    if arguments.scale not in study.scales:
        raise InputError(f'--scale is {arguments.scale}; {report_id} has {", ".join(study.scales)}')
    scale = study.scales[arguments.scale]
    seeds = scale.seeds if arguments.seeds is None else arguments.seeds
    if seeds < 1:
        raise InputError(f'--seeds is {seeds}; expected at least 1')
    if arguments.jobs is not None and arguments.jobs < 1:
        raise InputError(f'--jobs is {arguments.jobs}; expected at least 1')
    devices = tuple(arguments.device.split(','))
    if arguments.scheduler is None:
        for device in devices:
            # The GPU of a job array is where that runs.
            if not (arguments.print_slurm_array and GPU.fullmatch(device)):
                check_compute(arguments.compute, get_device(device))
            elif arguments.compute != 'float32':
                raise InputError(f'--compute {arguments.compute} is for the CPU; leave it out on -d {device}')
    elif arguments.jobs is not None or len(devices) > 1:
        raise InputError(
            '--scheduler takes one run at a time on each worker, and one -d for all; leave out --jobs'
        )
    images = study.base.replace(**scale.settings, compute=arguments.compute)
    images = images.replace(data=str(data_source(study, arguments.data)))
    data = load_data(images)
    if reason := study.images.unsuitable(data.image_shape, data.n_classes):
        raise InputError(f'{data.source}: does not suit {study.id}: {reason}')
    if data.x_validation is None and not images.validation_size:
        raise InputError(
            f'{data.source}: {study.id} at {arguments.scale} scale needs a validation part, and there is '
            f'none; `vgg-cifar data {study.images.name}` makes a file that has one'
        )
    asked = None if arguments.figures is None else tuple(figure.id for figure in figures)
    folder = StudyFolder(out, study, arguments.scale, seeds, data.identity, arguments.compute, asked).joined()
    wanted, cost = dataclasses.replace(folder, seeds=seeds, more_seeds={}), Cost(data)
    try:
        for run in wanted.all_runs(figures):
            cost.check(run.settings)
    except InputError as error:
        reason = str(error).removeprefix(f'{data.source}: ')
        raise InputError(f'{data.source}: not for {study.id}: {reason}') from None
    return Plan(figures, folder, wanted, images, data, devices, cost)


def _check_out(out: Path, report_id: str) -> None:
    """Raise InputError unless a folder for this report can be written to, or made, at `out`."""
    for folder in (out, *(out / name for name in FOLDERS)):
        require_folder(folder)
    held = study_id(out)
    if held not in (None, report_id):
        raise InputError(f'{out}: holds the study {held}, not {report_id}; choose another -o')


@contextlib.contextmanager
def _begun(folder: StudyFolder) -> Iterator[None]:
    """Write study.json; where the command is refused all the same, take it away again."""
    index = folder.path / INDEX
    before = index.read_bytes() if index.exists() else None
    new = [each for each in (folder.path, *folder.path.parents) if not each.exists()]
    folder.save()
    try:
        yield
    except InputError:
        if before is None:
            index.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                for each in new:
                    each.rmdir()
        else:
            with replacing(index) as partial:
                partial.write_bytes(before)
        raise


@contextlib.contextmanager
def runner(scheduler: str | None, jobs: int | None, plan: Plan, verbose: bool = False) -> Iterator[Runner]:
    """Yield who trains: a Dask cluster, `jobs` processes or one for each device, or this process.

    With `verbose` this process prints each run's epochs.
    """
    if scheduler is None and jobs is None and len(plan.devices) == 1:
        yield ThisProcess(plan.devices[0], plan.data, verbose)
        return
    if verbose:
        raise InputError('--verbose is for one run after the other; leave it out: each run has a log')
    try:
        from vgg_cifar.sweeps import dask_cluster
    except ImportError as error:
        raise missing('--jobs' if scheduler is None else '--scheduler', error) from None
    about = plan.wanted, plan.images, plan.data, plan.devices
    if scheduler is not None:
        with connected(scheduler) as client:
            yield dask_cluster.Cluster(client, *about)
    else:
        with dask_cluster.local_client(len(plan.devices) if jobs is None else jobs) as client:
            yield dask_cluster.LocalCluster(client, *about)


def _check_convolutions(scale: str, out: Path) -> None:
    from vgg_cifar.convolution_implementations import page

    if scale not in convolution_study.SCALES:
        raise InputError(
            f'--scale is {scale}; {convolution_study.ID} has {", ".join(convolution_study.SCALES)}'
        )
    _check_out(out, convolution_study.ID)
    if (out / page.COSTS).exists() and (found := page.scale_of(out)) != scale:
        raise InputError(f'{out}: holds the scale {found}, not {scale}; choose another -o')


def _convolutions(scale: str, out: Path, in_index: bool) -> Path:
    """Measure convolutions, unless that has been done at this scale; return the page."""
    from vgg_cifar.convolution_implementations import page

    _check_convolutions(scale, out)
    ranges = convolution_study.SCALES[scale]
    costs, wanted = out / page.COSTS, {'study': convolution_study.ID, 'scale': scale}
    print(
        f'{counted(len(ranges.all_sizes()), "size")}, {counted(ranges.rounds, "round")}: {ranges.about}',
        flush=True,
    )
    if not costs.exists():
        # Imports scipy.signal, which takes as long as all else together.
        from vgg_cifar.convolution_implementations.measure import measure

        content = measure(ranges)
        write_json(out / INDEX, wanted)
        write_json(costs, content)
    return page.build(out, in_index)


def data_source(study: Study, given: Path | None) -> Path | str:
    """Return where a study's images are: the given file, its own file in the given folder, or synthetic."""
    if given is None:
        return study.images.synthetic
    return given / study.images.file if given.is_dir() else given


def choose_figures(study: Study, ids: Sequence[str] | None) -> tuple[Figure, ...]:
    """Return the figures called `ids`, all for None; an InputError lists those there are."""
    known = {figure.id: figure for figure in study.figures}
    for wanted in ids or ():
        if wanted not in known:
            raise InputError(f'--figure is {wanted}; {study.id} has {", ".join(known)}')
    return tuple(known[wanted] for wanted in ids) if ids else study.figures
