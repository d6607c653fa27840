"""How a sweep is fastest on this machine, and what 1,000 runs would cost whoever spreads them.

python scripts/bench_sweep.py                                about ten minutes on two cores
python scripts/bench_sweep.py --rounds 1 --figures 7         a look
python scripts/bench_sweep.py --study emnist_learning_rules --scale quick --figures table-1 --data EMNIST.hdf5

Two measurements, in one JSON file where --json names one:

- Runs of a study, by default of report R1 at smoke scale, on synthetic images: one after the other with
  every core, and several at a time with fewer threads each; in turn, round after round, so that all meet the
  machine in the same state. Starting Python and drawing figures are left out of a sweep's time, starting the
  workers is not.
- A thousand runs that are finished already, so that only their spreading costs: for the process that asks and
  the scheduler in it, in files, and for the page.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RUNS = 1000


def sweep_seconds(jobs: int | None, threads: int, arguments: argparse.Namespace) -> float:
    """Return the seconds that the runs of a study's figures take in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, str(Path(__file__)), '--one', '--study', arguments.study]
        command += ['--scale', arguments.scale, '--figures', *arguments.figures]
        command += [] if arguments.data is None else ['--data', str(arguments.data.resolve())]
        command += [] if jobs is None else ['--jobs', str(jobs)]
        environment = {**os.environ, 'OMP_NUM_THREADS': str(threads)}
        shown = subprocess.run(command, env=environment, cwd=out, capture_output=True, text=True, check=True)
        return float(shown.stdout.splitlines()[-1])


def make_plan(study: str, figures: list[str], scale: str, data: Path | None, folder: Path) -> Any:
    """Return what `vgg-cifar reproduce` plans for these figures."""
    from vgg_cifar.commands import reproduce

    arguments = argparse.Namespace(
        figures=figures,
        scale=scale,
        data=data,
        seeds=1,
        compute='float32',
        device='-1',
        scheduler=None,
        print_slurm_array=False,
    )
    plan = reproduce.make_plan(study, arguments, folder)
    plan.folder.save()
    return plan


def one_sweep(arguments: argparse.Namespace) -> None:
    """Do one sweep into the working folder and print its seconds."""
    from vgg_cifar.commands import reproduce

    plan = make_plan(arguments.study, arguments.figures, arguments.scale, arguments.data, Path('study'))
    started = time.perf_counter()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        reproduce.runner(None, arguments.jobs, plan) as runner,
    ):
        for _, outcome in runner.train(plan.wanted.all_runs(plan.figures), plan.wanted):
            assert outcome['status'] == 'finished', outcome
    print(time.perf_counter() - started)


def thousand_runs() -> dict[str, float]:
    """Return what a thousand finished runs cost: seconds, bytes and files."""
    from vgg_cifar.commands import reproduce
    from vgg_cifar.reporting import report
    from vgg_cifar.sweeps import dask_cluster
    from vgg_cifar.training.settings_json import to_json

    found = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        plan = make_plan('ie598', ['7'], 'smoke', None, Path(folder))
        with reproduce.runner(None, None, plan) as runner:
            (first, outcome), *_ = runner.train(plan.wanted.all_runs(plan.figures)[:1], plan.wanted)
        assert outcome['status'] == 'finished'
        path = plan.wanted.run_folder(first.id).path
        kept = [file for file in path.iterdir() if file.suffix != '.npz' and 'snapshot' not in file.name]
        found['files of a run'] = len(list(path.iterdir()))
        found['bytes of a run without weights'] = sum(file.stat().st_size for file in kept)
        wanted = dataclasses.replace(plan.wanted, seeds=-(-RUNS // 3))
        runs = wanted.all_runs(plan.figures)[:RUNS]
        for run in runs[1:]:
            target = plan.wanted.run_folder(run.id).path
            target.mkdir(exist_ok=True)
            for file in kept:
                shutil.copy(file, target)
            (target / 'settings.json').write_text(json.dumps(to_json(run.settings)))
        with dask_cluster.local_client(2) as client:
            cluster = dask_cluster.LocalCluster(client, plan.wanted, plan.images, plan.data, ['-1'])
            before = client.run_on_scheduler(time.process_time)
            started = time.perf_counter()
            assert all(outcome['status'] == 'finished' for _, outcome in cluster.train(runs, plan.wanted))
            found['seconds to spread'] = time.perf_counter() - started
            found['seconds to spread, processor time of client and scheduler'] = (
                client.run_on_scheduler(time.process_time) - before
            )
        started = time.perf_counter()
        left = [run for run in runs if wanted.run_folder(run.id).result is None]
        found['seconds to see what is left'] = time.perf_counter() - started
        assert not left
        started = time.perf_counter()
        report.build(wanted)
        found['seconds to build the page'] = time.perf_counter() - started
    return found


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--study', default='ie598')
    parser.add_argument('--scale', default='smoke')
    parser.add_argument('--figures', nargs='+', default=['6'])
    parser.add_argument('--data', type=Path, help='by default synthetic images')
    parser.add_argument('--json', type=Path)
    parser.add_argument('--one', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('--jobs', type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one_sweep(arguments)
        return
    cores = len(os.sched_getaffinity(0))
    ways = {
        f'one run after the other, {cores} threads': (None, cores),
        f'--jobs {cores}, 1 thread each': (cores, 1),
        f'--jobs {2 * cores}, 1 thread each': (2 * cores, 1),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(arguments.rounds):
        for way in ways if number % 2 == 0 else reversed(ways):
            jobs, threads = ways[way]
            seconds[way].append(sweep_seconds(jobs, threads, arguments))
            print(f'round {number + 1}: {way}: {seconds[way][-1]:.1f} s', flush=True)
    for way, values in seconds.items():
        ratios = [first / value for first, value in zip(next(iter(seconds.values())), values, strict=True)]
        print(
            f'{way}: median {statistics.median(values):.1f} s ({min(values):.1f} to {max(values):.1f}), '
            f'{statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})'
        )
    thousand = thousand_runs()
    for what, value in thousand.items():
        print(f'{RUNS} finished runs, {what}: {value:,.2f}')
    if arguments.json:
        arguments.json.write_text(json.dumps({'seconds': seconds, 'thousand runs': thousand}, indent=2))


if __name__ == '__main__':
    main()
