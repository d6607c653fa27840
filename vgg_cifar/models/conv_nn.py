"""The names and calls of report R1's own listing (section 8), over `VGG`."""

import chainer
import chainer.functions as F
import numpy

from vgg_cifar.models.vgg import VGG


class Conv_NN(VGG):
    """The listing's network, called as the listing calls it."""

    def __init__(self) -> None:
        super().__init__(depth='listing', batch_norm=True)

    def forward(  # type: ignore[override]
        self, x_data: object, y_data: object, dropout_bool: bool, bn_bool: bool, p: float
    ) -> tuple[chainer.Variable, chainer.Variable]:
        """Loss and accuracy of a batch.

        Args:
            x_data: images (N, 3, 32, 32), float32.
            y_data: labels (N,), int32.
            dropout_bool: whether to drop units.
            bn_bool: Chainer 1's ``test`` argument: False normalises by the batch's statistics and updates
                the running ones, True normalises by the running ones.
            p: drop ratio.

        Returns:
            tuple: softmax cross entropy and accuracy (a fraction), both scalar.

        """
        with chainer.using_config('train', not bn_bool):
            scores = super().forward(chainer.as_variable(x_data), dropout=p if dropout_bool else 0.0)
        return F.softmax_cross_entropy(scores, y_data), F.accuracy(scores, y_data)


def Calculate_Test_Accuracy(
    x_test: numpy.ndarray, y_test: numpy.ndarray, model: Conv_NN, p: float, GPU_on: bool, batch_size: int
) -> float:
    """Accuracy of `model` in per cent, over all of `x_test` (N, 3, 32, 32) and `y_test` (N,).

    The listing averages the batches' accuracies, so that a smaller last batch counts as much as a full
    one; here every image counts once. The two agree where `batch_size` divides N, as the report's does.
    """
    correct = 0.0
    with chainer.no_backprop_mode():
        for start in range(0, len(y_test), batch_size):
            x, y = x_test[start : start + batch_size], y_test[start : start + batch_size]
            if GPU_on:
                x, y = model.device.send((x, y))
            _, accuracy = model(x, y, False, True, p)
            correct += float(accuracy.array) * len(y)
    return 100.0 * correct / len(y_test)
