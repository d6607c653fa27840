"""Names that Python and the libraries have dropped, as a script of today's Python asks for them."""

from processes import python

SCRIPT = """
import base64, collections, fractions, imp, inspect, pickle, threading, time
import xml.etree.cElementTree
import numpy as np
import scipy.misc
from PIL import Image

assert issubclass(list, collections.Iterable) and collections.Mapping and collections.Callable
assert time.clock() >= 0 and fractions.gcd(4, 6) == 2
assert base64.decodestring(base64.encodestring(b'a')) == b'a' and not threading.Thread().isAlive()
assert inspect.getargspec(lambda a, *b, **c: 0)[:3] == (['a'], 'b', 'c')
open('beside.py', 'w').write('x = 1')
assert imp.load_source('other', 'beside.py').x == 1
assert imp.load_module('beside', *imp.find_module('beside', ['.'])).x == 1

assert np.asscalar(np.float32(1)) == 1 and np.in1d([1], [1]).all() and np.trapz([1, 1]) == 1
assert np.array([[1], [1, 2]]).dtype == object and np.fromstring(b'\\1\\2', np.uint8).tolist() == [1, 2]
assert np.cast['f'](1).dtype == 'f' and np.bool8 is np.bool_ and np.Inf == np.inf
assert np.rank(np.mat([1])) == 2
assert str([np.float32(1)]) == '[1.0]' and np.random.random_integers(3, 3) == 3
try: np.array([[1], [1, 2]], float)
except ValueError: pass
else: assert False

image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
scipy.misc.imsave('a.png', image)
assert (scipy.misc.imread('a.png') == image).all() and scipy.misc.imresize(image, (2, 2)).shape == (2, 2, 3)
assert Image.fromarray(image).resize((2, 2), Image.ANTIALIAS).size == (2, 2)
assert scipy.misc.factorial(3) == 6

# What Python 2 pickled: protocol 2, a str that is no ASCII, an array.
assert pickle.loads(b"U\\x01\\xe9.") == '\\xe9'
print('all there')
"""


def test_a_script_finds_what_it_knows(tmp_path):
    (tmp_path / 'script.py').write_text(SCRIPT)
    result = python('-W', 'ignore', '-m', 'vgg_cifar', 'run', 'script.py', cwd=tmp_path)
    assert (result.stdout, result.stderr) == ('all there\n', '')
