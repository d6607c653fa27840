"""What each process of an MPI job does: one `vgg-cifar` command after the other, told by a JSON file.

    mpiexec -n 2 python mpi_job.py COMMANDS.json

The first writes beside the file, as NAME.json, each process's exit status and a digest of its network's
parameters and running statistics.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy
from mpi4py import MPI

from vgg_cifar import cli
from vgg_cifar.training import train as training


def digest(model):
    arrays = [parameter.array for _, parameter in sorted(model.namedparams())]
    arrays += [link.avg_var for link in model.links() if hasattr(link, 'avg_var')]
    return hashlib.sha256(b''.join(map(numpy.ndarray.tobytes, arrays))).hexdigest()


def main(path):
    built = []
    build = training.build_model
    training.build_model = lambda *arguments: built.append(build(*arguments)) or built[-1]
    for name, arguments in json.loads(path.read_text()).items():
        if MPI.COMM_WORLD.rank == 0:
            print(f'--- {name}', file=sys.stderr, flush=True)
        statuses = MPI.COMM_WORLD.allgather(cli.main(arguments))
        digests = MPI.COMM_WORLD.allgather(digest(built[-1])) if built else []
        links = [type(link).__name__ for link in built[-1].links()] if built else []
        built.clear()
        if MPI.COMM_WORLD.rank == 0:
            outcome = {'statuses': statuses, 'digests': digests, 'links': links}
            path.with_name(f'{name}.json').write_text(json.dumps(outcome))


if __name__ == '__main__':
    main(Path(sys.argv[1]))
