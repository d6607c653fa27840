"""What this machine offers to this process: processor, cores, memory."""

import contextlib
import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path


def cpu_model() -> str:
    """Return the processor's name, or its architecture where the system doesn't tell."""
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> float:
    """Return how many cores this process may keep busy, by its affinity and by its container's quota."""
    if hasattr(os, 'sched_getaffinity'):
        available = float(len(os.sched_getaffinity(0)))
    else:
        available = float(os.cpu_count() or 1)
    for folder in _control_groups('cpu'):
        limit = _numbers(folder, 'cpu.max')
        limit = limit or _numbers(folder, 'cpu.cfs_quota_us') + _numbers(folder, 'cpu.cfs_period_us')
        if len(limit) == 2 and limit[0] > 0:
            available = min(available, limit[0] / limit[1])
    return available


def threads() -> int:
    """Return how many threads to compute with: what OMP_NUM_THREADS says, else one for each core.

    Of a list, which has a number for each level of nesting, the first counts. What is no number above 0
    counts as not set, and what is above the machine's cores as these: more only keep each other waiting.
    """
    first = os.environ.get('OMP_NUM_THREADS', '').partition(',')[0].strip().lstrip('0')
    if first.isascii() and first.isdigit():
        # Python refuses numbers of thousands of digits.
        return min(int(first[:9]), os.cpu_count() or 1)
    return max(1, math.ceil(cores()))


def memory() -> int | None:
    """Return how many bytes of memory this process may use, or None where the system doesn't tell."""
    limits = []
    if hasattr(os, 'sysconf') and 'SC_PHYS_PAGES' in os.sysconf_names:
        limits.append(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'))
    for folder in _control_groups('memory'):
        limits += _numbers(folder, 'memory.max') or _numbers(folder, 'memory.limit_in_bytes')
    return min(limits, default=None)


def free_memory() -> int | None:
    """Return how many bytes can be allocated without swapping, or None where the system doesn't tell."""
    free = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path('/proc/meminfo').read_text().splitlines():
            if line.startswith('MemAvailable:'):
                free.append(int(line.split()[1]) * 1024)
    if not free:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            free.append(os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'))
    for folder in _control_groups('memory'):
        limit = _numbers(folder, 'memory.max') or _numbers(folder, 'memory.limit_in_bytes')
        used = _numbers(folder, 'memory.current') or _numbers(folder, 'memory.usage_in_bytes')
        if limit and used:
            # Files that were read count as used until something else wants their room.
            free.append(max(0, limit[0] - used[0] + _cached_files(folder)))
    return min(free, default=None)


def _cached_files(folder: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in (folder / 'memory.stat').read_text().splitlines():
            name, _, value = line.partition(' ')
            if name in ('inactive_file', 'total_inactive_file'):
                return int(value)
    return 0


def _control_groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups, innermost first, of version 2 or 1."""
    try:
        lines = Path('/proc/self/cgroup').read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(':', 2)
        if controllers and controller not in controllers.split(','):
            continue
        root = Path('/sys/fs/cgroup', controller if controllers else '')
        folder = root / group.lstrip('/')
        while folder.is_relative_to(root):
            yield folder
            folder = folder.parent


def _numbers(folder: Path, file: str) -> tuple[int, ...]:
    """Return the numbers in a control group's file; none where it is missing or sets no limit."""
    try:
        return tuple(int(word) for word in (folder / file).read_text().split())
    except (OSError, ValueError):
        return ()
