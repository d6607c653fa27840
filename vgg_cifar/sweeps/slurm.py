"""A job array for SLURM: a script whose tasks train one run each, and go on after they were preempted."""

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from vgg_cifar.counting import counted
from vgg_cifar.errors import InputError

# SLURM's default for MaxArraySize: the highest index is one below it.
MAX_ARRAY_SIZE = 1001

SCRIPT = """\
#!/usr/bin/env bash
# {title}: {runs}, one a task.
# Submit it with what your cluster asks for, which goes before what is below:
#   sbatch --partition=... --time=... SCRIPT
# Afterwards this builds the page, and times training steps where a claim is about time:
#   cd {directory} && {command}
#SBATCH --job-name=vgg-cifar
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cpus}
{gpu}#SBATCH --chdir={directory}
#SBATCH --output={logs}/%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@300
set -u

export OMP_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"
{command} --task "$SLURM_ARRAY_TASK_ID" &
run=$!
# SIGTERM, from scancel or where a task is preempted, reaches the run too, and SLURM itself requeues what it
# preempts. SIGUSR1 reaches this script only, five minutes before the time is up. Either way the run ends with
# a snapshot, from which it goes on.
trap : TERM
time_is_up=
trap 'time_is_up=yes; kill -TERM "$run"' USR1
wait "$run"
status=$?
if [ "$status" -gt 128 ]; then
  # The signal has ended the wait; this is how the run ends.
  wait "$run"
  status=$?
fi
# 138, where SIGUSR1 has reached the run as well, and before SIGTERM.
if [ -n "$time_is_up" ] && {{ [ "$status" -eq 143 ] || [ "$status" -eq 138 ]; }}; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
"""


def array_script(title: str, arguments: Sequence[str], runs: int, out: Path, gpu: bool) -> str:
    """Return the script, and make the folder for its logs, without which SLURM would start no task.

    Args:
        title: what the runs are of.
        arguments: those of `vgg-cifar` that do all of it.
        runs: how many.
        out: the study's folder.
        gpu: whether each task needs one.

    Raises:
        InputError: SLURM would refuse the array, or a path of it.

    """
    most = max_array_size()
    if runs > most:
        raise InputError(
            f'{counted(runs, "run")}, but SLURM takes {counted(most, "task")} in an array (MaxArraySize); '
            'choose some figures by --figure, or fewer --seeds'
        )
    logs = out.resolve() / 'slurm'
    for path in (Path.cwd(), logs):
        # SLURM reads these lines itself, before any shell, and has patterns of its own.
        if not re.fullmatch(r'[\w@+=:,./-]+', str(path)):
            raise InputError(
                f'{path}: SLURM cannot take this path in a #SBATCH line; use letters, digits and @+=:,._-'
            )
    logs.mkdir(parents=True, exist_ok=True)
    return SCRIPT.format(
        title=title,
        runs=counted(runs, 'run'),
        last=runs - 1,
        cpus=4 if gpu else 1,
        gpu='#SBATCH --gres=gpu:1\n' if gpu else '',
        directory=Path.cwd(),
        logs=logs,
        command=shlex.join([sys.executable, '-m', 'vgg_cifar', *arguments]),
    )


def max_array_size() -> int:
    """Return how many tasks SLURM takes in an array: as it is configured here, or by default."""
    try:
        shown = subprocess.run(
            ['scontrol', 'show', 'config'], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return MAX_ARRAY_SIZE
    found = re.search(r'^MaxArraySize\s*=\s*(\d+)', shown.stdout, re.MULTILINE)
    return int(found[1]) if found else MAX_ARRAY_SIZE
