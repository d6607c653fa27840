"""Every kernel that Chainer gives CuPy in its own C compiles for an H100 today."""

import ast
from pathlib import Path

import chainer

# Which letters stand for integers in a kernel, where they are not all floats.
INTEGERS = {
    'pad_sequence_fwd': 'P',
    'getitem_fwd': 'S',
    'getitem_bwd': 'S',
    'embed_id_bwd': 'S',
    'embed_id_bwd_ignore_label': 'S',
    'ctc_label_prob_sum': 'I',
    'ctc_transition': 'I',
    'hinge_fwd': 'S',
    'negative_sampling_wx': 'S',
    'negative_sampling_calculate_gw': 'S',
    'binary_hierarchical_softmax_forward': 'SU',
    'binary_hierarchical_softmax_bwd': 'SU',
    'softmax_crossent_bwd': 'S',
    'softmax_crossent_weight_bwd': 'S',
    '_memcpy_gather': 'TXY',
    '_memcpy_scatter': 'TXY',
}


def literal(tree, constants):
    """Return the value of an expression out of texts and a file's constants; ValueError for any other."""
    if isinstance(tree, ast.Name) and tree.id in constants:
        return constants[tree.id]
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        return literal(tree.left, constants) + literal(tree.right, constants)
    return ast.literal_eval(tree)


def written():
    """Yield the arguments of every elementwise kernel that stands in Chainer's sources as it is."""
    for path in sorted(Path(chainer.__file__).parent.rglob('*.py')):
        tree = ast.parse(path.read_text())
        constants = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') in (
                'elementwise',
                'ElementwiseKernel',
            ):
                try:
                    yield (
                        [literal(argument, constants) for argument in node.args],
                        {keyword.arg: literal(keyword.value, constants) for keyword in node.keywords},
                    )
                except ValueError:
                    continue


def generated():
    """Yield the arguments of the kernels that Chainer writes for images of any dimension."""
    from chainer.functions.pooling import average_pooling_nd_kernel, max_pooling_nd_kernel
    from chainer.utils import conv_nd_kernel

    for module in (average_pooling_nd_kernel, max_pooling_nd_kernel, conv_nd_kernel):
        for name, kind in vars(module).items():
            if 'NDKernel' in name:
                yield list(kind.generate(3)), {}


def test_all_compile():
    import cupy
    from compiled import source, together

    kernels = [cupy.ElementwiseKernel(*given, **options) for given, options in (*written(), *generated())]
    assert len(kernels) > 125
    assert together(source(kernel, INTEGERS.get(kernel.name, '')) for kernel in kernels)
