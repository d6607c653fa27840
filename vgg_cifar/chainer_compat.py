"""Makes Chainer 7.8.1 import and run on today's Python and NumPy. The only place that patches anything."""

import importlib.util
import sys
import types

import numpy


def prepare() -> None:
    """Put right, before Chainer is imported, what it needs and today's Python and NumPy no longer have."""
    if importlib.util.find_spec('pkg_resources') is None and 'pkg_resources' not in sys.modules:
        stub = types.ModuleType('pkg_resources')
        stub.DistributionNotFound = type('DistributionNotFound', (Exception,), {})
        stub.VersionConflict = type('VersionConflict', (Exception,), {})

        def require(*requirements):
            raise stub.DistributionNotFound(*requirements)

        stub.require = stub.get_distribution = require
        sys.modules['pkg_resources'] = stub
    if not hasattr(numpy, 'sctypes'):
        numpy.sctypes = {
            'int': [numpy.int8, numpy.int16, numpy.int32, numpy.int64],
            'float': [numpy.float16, numpy.float32, numpy.float64],
        }
    if 'float' not in vars(numpy):
        numpy.float = float
    try:
        importlib.import_module('numpy.distutils.system_info')
    except ImportError:
        package = types.ModuleType('numpy.distutils')
        module = types.ModuleType('numpy.distutils.system_info')
        module.get_info = lambda name, *args: {}
        package.system_info = module
        sys.modules['numpy.distutils'] = package
        sys.modules['numpy.distutils.system_info'] = module
