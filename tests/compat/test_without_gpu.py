"""Scripts that hard-code a GPU, run with --cpu: many ways to ask for one in one process."""

import pytest
from processes import python

SCRIPT = """
import chainer, copy, numpy as np, pickle
import chainer.functions as F, chainer.links as L
from chainer import cuda
import cupy, queue

cuda.check_cuda_available()
cuda.get_device(0).use()
cuda.get_device_from_id(1).use()
chainer.get_device('@cupy:0').use()
chainer.backends.cuda.Device(0).use()
cupy.cuda.Device(0).synchronize()
cupy.get_default_memory_pool().free_all_blocks()
xp = cuda.cupy
x = xp.arange(6, dtype=np.float32).reshape(2, 3)
assert xp.random.uniform(-1, 1, (2, 3), dtype=np.float32).dtype == 'f'
assert xp.random.randint(3, size=2).max() < 3
other = cuda.to_gpu(x)
other += 1
assert (other.get() - 1 == x.get()).all() and x.get() is not x
waiting = queue.Queue()
waiting.put(1)
assert waiting.get() == 1
assert (cuda.to_cpu(other) == x + 1).all() and cupy.asnumpy(x) is x

class Net(chainer.Chain):
    def __init__(self):
        super().__init__()
        with self.init_scope():
            self.fc = L.Linear(3, 2)
    def forward(self, x):
        return self.fc(x)

model = L.Classifier(Net())
assert model.to_gpu() is model and model.to_gpu(0) is model
model.to_device('@cupy:0')
model.to_device(chainer.get_device(0))
assert pickle.loads(pickle.dumps(model)).xp is copy.deepcopy(model).xp is np
variable = chainer.Variable(x)
variable.to_gpu()
with chainer.using_device(chainer.get_device(0)), cuda.get_device_from_array(x):
    F.sum(model.predictor(variable)).backward()
assert model.xp is np and type(model.predictor.fc.W.grad) is np.ndarray

data = chainer.datasets.TupleDataset(x, np.zeros(2, 'i'))
optimizer = chainer.optimizers.SGD().setup(model)
for updater in (
    chainer.training.StandardUpdater(
        chainer.iterators.SerialIterator(data, 2), optimizer, device=0
    ),
    chainer.training.updaters.ParallelUpdater(
        chainer.iterators.SerialIterator(data, 2), optimizer, devices={'main': 0, 'second': 1}
    ),
):
    trainer = chainer.training.Trainer(updater, (1, 'iteration'), out='out')
    test = chainer.iterators.SerialIterator(data, 2, False, False)
    trainer.extend(chainer.training.extensions.Evaluator(test, model, device=0))
    trainer.run()
try:
    cuda.elementwise('T x', 'T y', 'y = x', 'identity')
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize('asks', [True, False])
def test_what_asks_for_a_gpu_runs_on_the_cpu_and_says_so_once(tmp_path, asks):
    (tmp_path / 'script.py').write_text(SCRIPT if asks else 'import chainer')
    result = python('-W', 'ignore', '-m', 'vgg_cifar', 'run', '--cpu', 'script.py', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    said = 'script.py: it asks for a GPU, and runs on the CPU (--cpu)\n'
    assert result.stderr == (said if asks else '')
    code = 'cupy.ElementwiseKernel holds code for a GPU, which --cpu cannot run\n'
    assert result.stdout == (code if asks else '')


@pytest.mark.parametrize(
    'error',
    [
        "ImportError('', name='cupy')",
        "RuntimeError('CUDA environment is not set up')",
        "AttributeError('', obj=object())",
    ],
)
def test_a_script_that_finds_no_gpu_is_told_of_cpu(tmp_path, error):
    (tmp_path / 'script.py').write_text(f'raise {error}')
    result = python('-m', 'vgg_cifar', 'run', 'script.py', cwd=tmp_path)
    advice = 'script.py: it asks for a GPU that is not there; vgg-cifar run --cpu runs it on the CPU'
    assert (result.returncode, result.stderr.splitlines()[-1]) == (1, advice)
