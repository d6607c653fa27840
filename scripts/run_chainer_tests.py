#!/usr/bin/env python
"""Run Chainer's own unit tests without and with the CPU accelerator, and compare what fails.

    git clone --branch v7.8.1 CHAINER'S REPOSITORY chainer
    python scripts/run_chainer_tests.py chainer

Tests marked ideep take part: without the accelerator they fail, since they ask for it. What needs a GPU or
ChainerX does not. A test that fails with the accelerator only is repeated on both sides, since some compare
random numbers.

Exit status 0: with the accelerator, nothing fails that passes without. 1: something does; it is listed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ('functions_tests', 'links_tests', 'optimizers_tests', 'serializers_tests', 'backends_tests')
MARKERS = ('gpu', 'multi_gpu', 'cudnn', 'chainerx', 'cuda', 'nccl', 'theano', 'slow', 'ideep')
REPEATS = 3

Outcomes = dict[str, str]


def run(tests: Path, targets: Sequence[str], accelerator: str, folder: Path) -> Outcomes:
    """Return 'passed', 'failed' or 'skipped' for each test, by its address."""
    report, config = folder / f'{accelerator}.xml', folder / 'pytest.ini'
    config.write_text(
        '[pytest]\njunit_family = xunit1\nmarkers =\n' + ''.join(f'    {name}\n' for name in MARKERS)
    )
    command = [
        *(sys.executable, '-m', 'pytest', '-q', '--tb=no', '-W', 'ignore', '--disable-warnings'),
        '--continue-on-collection-errors',
        *('-p', 'vgg_cifar', '-p', 'no:cacheprovider', '-c', str(config), '--rootdir', str(tests)),
        *('-m', 'not gpu and not multi_gpu and not cudnn and not chainerx and not cuda and not slow'),
        *(f'--junitxml={report}', *targets),
    ]
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'VGG_CIFAR_ACCELERATOR': accelerator,
        'CHAINER_SEED': '0',
    }
    with (folder / f'{accelerator}.log').open('w') as log:
        subprocess.run(command, cwd=tests, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    if not report.exists():
        raise SystemExit(f'pytest made no report: {(folder / f"{accelerator}.log").read_text()[-2000:]}')
    return outcomes(report)


def outcomes(report: Path) -> Outcomes:
    """Return what a JUnit report says of each test; an error in its setup or its import is a failure."""
    found: Outcomes = {}
    for case in ElementTree.parse(report).iter('testcase'):
        address = f'{case.get("classname")}::{case.get("name")}'
        tags = {child.tag for child in case}
        outcome = 'failed' if tags & {'failure', 'error'} else 'skipped' if 'skipped' in tags else 'passed'
        if found.get(address) != 'failed':
            found[address] = outcome
    return found


def file_of(address: str, tests: Path) -> str:
    """Return the file in which a test lies; its address begins with the file's dotted name."""
    path = Path()
    for part in address.split('.'):
        path /= part
        if (tests / path).with_suffix('.py').is_file():
            return str(path.with_suffix('.py'))
    raise ValueError(f'no file in {tests} for {address}')


def failed(found: Outcomes) -> set[str]:
    """Return the addresses of the failed tests."""
    return {address for address, outcome in found.items() if outcome == 'failed'}


def counts(found: Outcomes) -> dict[str, int]:
    """Return how many tests had each outcome."""
    return {name: sum(o == name for o in found.values()) for name in ('passed', 'failed', 'skipped')}


def main() -> int:
    """Compare, print, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkout', type=Path, help='a checkout of Chainer 7.8.1')
    parser.add_argument(
        '--only', nargs='+', default=FOLDERS, help="files or folders under Chainer's tests/chainer_tests"
    )
    parser.add_argument(
        '--pairwise', action='store_true', help='fewer combinations of parameters, for a quick look'
    )
    parser.add_argument('--json', type=Path, help='where to write the counts and the differences')
    arguments = parser.parse_args()
    tests = (arguments.checkout / 'tests').resolve()
    if not (tests / 'chainer_tests').is_dir():
        parser.error(f'{arguments.checkout} is no checkout of Chainer: it has no tests/chainer_tests')
    if arguments.pairwise:
        os.environ['CHAINER_TEST_PAIRWISE_PARAMETERIZATION'] = 'always'
    targets = [f'chainer_tests/{name}' for name in arguments.only]

    results: dict[str, Outcomes] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for accelerator in ('off', 'on'):
            started = time.monotonic()
            found = results[accelerator] = run(tests, targets, accelerator, folder)
            seconds = time.monotonic() - started
            print(f'accelerator {accelerator}: {counts(found)}, {seconds:.0f} s', flush=True)
        only_on = failed(results['on']) - failed(results['off'])
        unstable: set[str] = set()
        for _ in range(REPEATS):
            suspects = only_on - unstable
            if not suspects:
                break
            files = sorted({file_of(address, tests) for address in suspects})
            unstable |= suspects & failed(run(tests, files, 'off', folder))
            unstable |= suspects - failed(run(tests, files, 'on', folder))
    broken = sorted(only_on - unstable)
    gained = failed(results['off']) - failed(results['on'])
    print(f'failed without it and pass with it: {len(gained)}')
    print(f'failed with it once, but not always: {len(unstable)}')
    print(f'fail with it only: {len(broken)}')
    for address in broken:
        print(f'  {address}')
    if arguments.json:
        summary = {
            **{f'accelerator {key}': counts(found) for key, found in results.items()},
            'failed without it and pass with it': len(gained),
            'fail with it only': broken,
            'unstable': sorted(unstable),
            'fail on both sides': sorted(failed(results['on']) & failed(results['off'])),
        }
        arguments.json.write_text(json.dumps(summary, indent=2) + '\n')
    return 1 if broken else 0


if __name__ == '__main__':
    raise SystemExit(main())
