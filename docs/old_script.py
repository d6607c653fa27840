# As one wrote it in 2016: Python 2 and Chainer 1.
import numpy as np
import chainer
import chainer.functions as F
import chainer.links as L
from chainer import Variable, optimizers


class Net(chainer.Chain):
    def __init__(self):
        super(Net, self).__init__(l1=L.Linear(2, 32), bn=L.BatchNormalization(32), l2=L.Linear(32, 2))

    def __call__(self, x, train):
        h = F.relu(self.bn(self.l1(x), test=not train))
        return self.l2(F.dropout(h, ratio=0.2, train=train))


np.random.seed(0)
x = np.random.randn(1000, 2).astype(np.float32)
t = (np.hypot(x[:, 0], x[:, 1]) > 1.2).astype(np.int32)
model = Net()
optimizer = optimizers.Adam()
optimizer.setup(model)
for epoch in xrange(20):
    for i in xrange(0, 1000, 100):
        model.zerograds()
        loss = F.softmax_cross_entropy(model(Variable(x[i:i + 100]), True), Variable(t[i:i + 100]))
        loss.backward()
        optimizer.update()
    if epoch % 5 == 4:
        y = model(Variable(x, volatile='on'), False)
        print 'epoch', epoch + 1, 'accuracy', '%.2f' % float(F.accuracy(y, Variable(t, volatile='on')).data)
