"""The table of cuDNN's calls against NVIDIA's headers, and what is said where the library is missing."""

import re
from pathlib import Path

import pytest

from vgg_cifar.accelerators.cudnn import library


@pytest.fixture(scope='module')
def headers():
    from cuda.pathfinder import load_nvidia_dynamic_lib

    folder = Path(load_nvidia_dynamic_lib('cudnn').abs_path).parents[1] / 'include'
    text = '\n'.join(path.read_text() for path in folder.glob('cudnn_*_v9.h'))
    return re.sub(r'/\*.*?\*/|//[^\n]*', '', text, flags=re.S)


def letter(argument, enumerations):
    """Return the letter of the table for an argument as a header declares it."""
    if '*' in argument or '[' in argument:
        return 'p'
    kind = ' '.join(word for word in argument.split()[:-1] if word != 'const')
    numbers = {
        'int': 'i',
        'int32_t': 'i',
        'uint32_t': 'i',
        'unsigned': 'i',
        'size_t': 'z',
        'float': 'f',
        'double': 'd',
        'unsigned long long': 'q',
    }
    return numbers.get(kind) or ('i' if kind in enumerations else 'p')


def test_calls_are_declared_as_in_the_headers(headers):
    enumerations = set(re.findall(r'typedef enum[^{]*\{[^}]*\}\s*(\w+)[^;]*;', headers))
    assert 'cudnnDataType_t' in enumerations
    declared = {
        name: (result, [] if arguments.strip() in ('', 'void') else arguments.split(','))
        for result, name, arguments in re.findall(
            r'(\w+)[\s*]+CUDNNWINAPI\s+cudnn(\w+)\(([^;]*?)\);', headers
        )
    }
    assert set(library.SIGNATURES) <= set(declared)
    for name, letters in library.SIGNATURES.items():
        result, arguments = declared[name]
        assert letters == ''.join(letter(argument, enumerations) for argument in arguments), name
        assert (result == 'cudnnStatus_t') == (name not in library.RETURNS), name


def test_numbers_are_those_of_the_headers(headers):
    from vgg_cifar.accelerators.cudnn import cupy_cuda_cudnn

    listed = dict(re.findall(r'\b(CUDNN_\w+)\s*=\s*(\d+)', headers))
    constants = {name: value for name, value in vars(cupy_cuda_cudnn).items() if name.startswith('CUDNN_')}
    assert len(constants) > 20
    for name, value in constants.items():
        if name != 'CUDNN_BN_MIN_EPSILON':
            assert int(listed[name]) == value, name
    assert re.search(r'#define CUDNN_BN_MIN_EPSILON 0\.0\b', headers)
    for kind in library.Type:
        assert int(listed[f'CUDNN_DATA_{kind.name}']) == kind
    for kind in library.Math:
        assert int(listed[f'CUDNN_{kind.name}_MATH']) == kind


def test_the_struct_of_an_algorithm_is_that_of_the_headers(headers):
    body = re.search(r'typedef struct cudnnConvolutionFwdAlgoPerfStruct\s*\{(.*?)\}', headers, re.S).group(1)
    fields = re.findall(r'(\w+)\s+(\w+)(?:\[(\d+)\])?;', body)
    assert [name for _, name, _ in fields] == [name for name, *_ in library.Perf._fields_]
    assert [kind for kind, _, _ in fields][2:4] == ['float', 'size_t']
    assert int(fields[-1][2]) == 3


def test_every_name_that_chainer_asks_for_is_there():
    import cupy
    from chainer.backends import cuda

    folder = Path(cuda.__file__).parents[1]
    text = '\n'.join(path.read_text() for path in [Path(cuda.__file__), *folder.glob('functions/**/*.py')])
    high = set(re.findall(r'\bcu(?:da|py)\.cudnn\.([a-z]\w+)\(', text)) | set(
        re.findall(r'(?<![.\w])cudnn\.([a-zA-Z]\w+)\(', text)
    )
    low = set(re.findall(r'libcudnn\.(\w+)', text)) | set(re.findall(r'cuda\.cuda\.cudnn\.(\w+)', text))
    assert len(high) > 25 and len(low) > 25
    assert [name for name in sorted(high) if not hasattr(cupy.cudnn, name)] == ['getVersion']
    assert [name for name in sorted(low) if not hasattr(cupy.cuda.cudnn, name)] == []


def test_a_library_without_a_call_is_refused():
    class Old(dict):
        def __missing__(self, name):
            raise AttributeError(name)

    with pytest.raises(library.Unavailable, match='libcudnn has no cudnnGetVersion: not cuDNN 9'):
        library.Library(Old())


def test_an_error_of_the_real_library_says_why(monkeypatch):
    # There may be a GPU here; a shape with a zero is refused everywhere.
    import ctypes

    dnn = library.load()
    descriptor = dnn.make('CreateTensorDescriptor')
    zeros = (ctypes.c_int * 4)()
    with pytest.raises(library.CuDNNError, match=r'cudnnSetTensorNdDescriptor: CUDNN_STATUS_BAD_PARAM .*0'):
        dnn.SetTensorNdDescriptor(descriptor, 0, 4, zeros, zeros)
    dnn.DestroyTensorDescriptor(descriptor)
