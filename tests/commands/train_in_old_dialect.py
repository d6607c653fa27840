#!/usr/bin/env python
# ruff: noqa: UP008, UP010, PTH118
"""A script as they were written for Chainer 2 to 7; nothing in it knows of this package."""

from __future__ import print_function

import argparse
import multiprocessing
import os

import chainer
import chainer.functions as F
import chainer.links as L
import numpy as np
from chainer import training
from chainer.training import extensions


class Net(chainer.Chain):
    def __init__(self, n_out):
        super(Net, self).__init__()
        with self.init_scope():
            self.conv = L.Convolution2D(None, 4, 3, pad=1)
            self.bn = L.BatchNormalization(4)
            self.fc = L.Linear(None, n_out)

    def __call__(self, x):
        h = F.max_pooling_2d(F.relu(self.bn(self.conv(x))), 2)
        return self.fc(F.dropout(h, 0.1))


class Bars(chainer.dataset.DatasetMixin):
    """Vertical and horizontal bars."""

    def __len__(self):
        return 60

    def get_example(self, i):
        image = np.zeros((1, 8, 8), dtype=np.float)
        if i % 2:
            image[0, :, i % 8] = 1
        else:
            image[0, i % 8] = 1
        return image.astype('f'), np.int32(i % 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--epoch', '-e', type=int, default=3)
    parser.add_argument('--start-method', default=None)
    parser.add_argument('--out', '-o', default='result')
    args = parser.parse_args()
    if args.start_method:
        multiprocessing.set_start_method(args.start_method)

    np.random.seed(0)
    model = L.Classifier(Net(2))
    optimizer = chainer.optimizers.Adam(0.01)
    optimizer.setup(model)
    optimizer.add_hook(chainer.optimizer.WeightDecay(0.0001))

    train_iter = chainer.iterators.MultiprocessIterator(Bars(), 10, n_processes=2, shared_mem=4096)
    test_iter = chainer.iterators.SerialIterator(Bars(), 10, repeat=False, shuffle=False)
    updater = training.StandardUpdater(train_iter, optimizer, device=-1)
    trainer = training.Trainer(updater, (args.epoch, 'epoch'), out=args.out)
    trainer.extend(extensions.Evaluator(test_iter, model, device=-1))
    trainer.extend(extensions.LogReport())
    trainer.extend(extensions.snapshot(filename='snapshot'), trigger=(args.epoch, 'epoch'))
    trainer.extend(extensions.PrintReport(['epoch', 'main/loss', 'validation/main/accuracy']))
    trainer.run()
    train_iter.finalize()

    # As Chainer's tutorial of versions 3 to 6 goes back to the start.
    test_iter.epoch = 0
    test_iter.current_position = 0
    test_iter.is_new_epoch = False
    assert len(next(test_iter)) == 10

    # Up to Chainer 6 a batch may be an array.
    assert chainer.dataset.concat_examples(np.zeros((2, 3))).shape == (2, 3)

    path = os.path.join(args.out, 'model.npz')
    chainer.serializers.save_npz(path, model)
    chainer.serializers.load_npz(path, model)
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        x, t = chainer.dataset.concat_examples([Bars()[0], Bars()[1]])
        accuracy = F.accuracy(model.predictor(x), t)
    print('accuracy', np.float(accuracy.data))


if __name__ == '__main__':
    main()
