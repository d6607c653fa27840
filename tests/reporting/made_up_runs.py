"""Runs of other studies, made up."""

from vgg_cifar.training.settings_json import to_json

ENVIRONMENT = {
    'python': '3.11',
    'packages': {'chainer': '7.8.1'},
    'platform': 'Linux',
    'processor': 'some CPU',
    'cores': 2,
    'device': '@numpy',
    'cpu_accelerator': 'oneDNN: off',
}


REDRAW = {
    'name': 'emnist-redraw',
    'synthetic': False,
    'source': 'x.hdf5',
    'sizes': {'train': 21_150, 'validation': 3_196, 'test': 3_196},
    'fingerprint': 'f' * 64,
}


def entry(epoch, validation, test, seconds=2.0):
    return {
        'epoch': epoch,
        'iteration': 10 * epoch,
        'main/accuracy': 0.5,
        'main/loss': 1.0,
        'validation/main/accuracy': validation,
        'test/main/accuracy': test,
        'test/main/loss': 1 - test,
        'decay_loss': 0.004,
        'seconds': seconds,
    }


LOG = [entry(1, 0.3, 0.1), entry(2, 0.6, 0.2), entry(3, 0.6, 0.9), entry(4, 0.5, 0.4)]


def write_runs(folder, variants, logs):
    """Finished runs, a log for each variant and seed: the log of the seed, made by the variant's number."""
    for number, variant in enumerate(variants):
        for seed, run in enumerate(folder.runs(variant)):
            log = logs(number, seed)
            run.write('settings.json', to_json(folder.run_of(variant, seed).settings))
            run.write('environment.json', {**ENVIRONMENT, 'data': folder.data})
            run.write('log', log)
            run.write('result.json', {'status': 'finished', 'reason': None, **log[-1]})
