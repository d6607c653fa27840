"""Exported networks against the frameworks that they are for."""

import importlib.util
import json

import h5py
import numpy
import onnxruntime
import PIL.Image
import pytest
import safetensors.numpy

from vgg_cifar.cli import main

# Float32 sums in another order.
CLOSE = {'rtol': 1e-4, 'atol': 1e-5}


def scaled(run):
    return (run.images / 255).astype('f4')


def test_onnx_runtime_gives_the_same_scores(run, tmp_path, capsys):
    assert main(['export', str(run.folder), str(tmp_path / 'x.onnx')]) == 0
    assert 'scores (N, 5)' in capsys.readouterr().err
    session = onnxruntime.InferenceSession(tmp_path / 'x.onnx')
    for images in (scaled(run), scaled(run)[:1]):
        (scores,) = session.run(['scores'], {'images': images})
        numpy.testing.assert_allclose(scores, run.scores()[: len(images)], **CLOSE)
    names = json.loads(session.get_modelmeta().custom_metadata_map['class_names'])
    assert names == run.classes


@pytest.mark.parametrize('ending', ['pt', 'safetensors'])
def test_pytorch_gives_the_same_scores(run, tmp_path, capsys, ending):
    torch = pytest.importorskip('torch', reason="PyTorch is not here: pip install -e '.[bench]' brings it")
    assert main(['export', str(run.folder), str(tmp_path / f'x.{ending}')]) == 0
    (tmp_path / 'x.py').write_text(capsys.readouterr().out)
    spec = importlib.util.spec_from_file_location('exported', tmp_path / 'x.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert run.classes == module.CLASSES
    with torch.no_grad():
        scores = module.load(tmp_path / f'x.{ending}')(torch.from_numpy(scaled(run))).numpy()
    numpy.testing.assert_allclose(scores, run.scores(), **CLOSE)


def test_printed_module_is_python_and_names_every_weight(run, tmp_path, capsys):
    assert main(['export', str(run.folder), str(tmp_path / 'x.safetensors')]) == 0
    source = capsys.readouterr().out
    compile(source, 'module', 'exec')
    stored = safetensors.numpy.load_file(tmp_path / 'x.safetensors')
    layers = {name.rpartition('.')[0] for name in stored}
    assert all(f'self.{layer} = nn.' in source and f'= self.{layer}(' in source for layer in layers)
    assert sum(array.size for array in stored.values() if array.dtype == 'f4') == sum(
        array.size for array in numpy.load(run.folder / 'model.npz').values() if array.ndim
    )


def test_weights_alone_find_their_classes_and_images(run, tmp_path, capsys):
    alone = tmp_path / 'weights.npz'
    (run.folder / 'model.npz').rename(alone)
    options = [f'{name}={value}'.strip('()').replace(' ', '') for name, value in options_of(run)]
    network = ['--model', run.settings.model, '--model-options', *options]
    shape = ['--image-shape', *map(str, run.image_shape)]
    assert main(['export', str(alone), str(tmp_path / 'x.onnx'), *network, *shape]) == 0
    (scores,) = onnxruntime.InferenceSession(tmp_path / 'x.onnx').run(None, {'images': scaled(run)})
    numpy.testing.assert_allclose(scores, run.scores(), **CLOSE)


def options_of(run):
    for name, value in run.settings.model_options.items():
        yield name, ','.join(map(str, value)) if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    'change, said',
    [
        ({'image_shape': [3, 16]}, 'data.image_shape is [3, 16], expected three whole numbers'),
        ({'image_shape': [3, 16, 1e9]}, 'data.image_shape is'),
        ({'image_shape': [3, 60000, 60000]}, 'its images are of 60000x60000 pixels'),
        ({'image_shape': [3, 900, 900]}, 'a network of more than'),
        ({'class_names': ['x'] * 70000}, 'data.class_names is'),
        ({'class_names': ['x'] * 60000}, 'a network of more than'),
        ({'class_names': 'abc'}, 'data.class_names is "abc", expected a list of names'),
        ({'dtype': 1}, 'data.dtype is 1, expected a text'),
    ],
)
def test_a_record_that_is_wrong_is_refused_in_a_line(small_run, tmp_path, capsys, change, said):
    small_run.record(**change)
    assert main(['export', str(small_run.folder), str(tmp_path / 'x.onnx')]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count('\n') == 1
    assert not (tmp_path / 'x.onnx').exists()


def test_names_of_classes_cannot_write_on_the_terminal(small_run, capsys):
    small_run.record(class_names=['\x1b[2J', *'bcde'])
    PIL.Image.fromarray(small_run.images[0].transpose(1, 2, 0)).save(small_run.folder / 'a.png')
    assert main(['predict', str(small_run.folder), str(small_run.folder / 'a.png')]) == 0
    assert '\\x1b[2J' in capsys.readouterr().out


@pytest.mark.parametrize('option', ['units', 'hidden'])
def test_settings_cannot_ask_for_more_memory_than_the_weights_have(small_run, tmp_path, capsys, option):
    settings = json.loads((small_run.folder / 'settings.json').read_text())
    settings |= {'model': 'mlp', 'model_options': {option: 10**8}}
    (small_run.folder / 'settings.json').write_text(json.dumps(settings))
    assert main(['export', str(small_run.folder), str(tmp_path / 'x.onnx')]) == 2
    assert 'a network of more than' in capsys.readouterr().err


def test_what_exists_is_kept(small_run, tmp_path, capsys):
    (tmp_path / 'x.onnx').write_text('mine')
    command = ['export', str(small_run.folder), str(tmp_path / 'x.onnx')]
    assert main(command) == 2
    assert 'exists already; give --overwrite' in capsys.readouterr().err
    assert (tmp_path / 'x.onnx').read_text() == 'mine'
    assert main([*command, '--overwrite']) == 0


@pytest.mark.parametrize(
    'arguments, said',
    [
        (['run', 'x.txt'], "found the ending '.txt', expected one of .onnx, .safetensors, .pt"),
        (['nothing', 'x.onnx'], 'nothing: no such file'),
        (['.', 'x.onnx'], 'no settings.json here; expected the folder of one run'),
        (['run', 'x.onnx', '--model', 'mlp'], 'holds a run, which says what network it is'),
        (['run', 'x.onnx', '--image-shape', '3', '9', '9'], 'which says how large its images are; leave out'),
        (['text.npz', 'x.onnx'], 'text.npz: not a .npz file of plain arrays'),
        (['other.npz', 'x.onnx'], 'other.npz: no linear layer fc, fc1, ... (a, b)'),
        (['weights.npz', 'x.onnx', '--model', 'mlp'], '; --image-shape, --model and --model-options say'),
        (['weights.npz', 'x.onnx', '--image-shape', '0', '1', '1'], '--image-shape is [0, 1, 1]'),
        (['weights.npz', 'x.onnx', '--model', 'mlp', '--model-options', 'x=1'], "mlp has no 'x'"),
    ],
)
def test_bad_input_is_one_line(small_run, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'text.npz').write_text('no')
    (tmp_path / 'weights.npz').write_bytes((tmp_path / 'run/model.npz').read_bytes())
    numpy.savez('other.npz', a=1, b=2)
    assert main(['export', *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count('\n') == 1
    assert not (tmp_path / 'x.onnx').exists()


def test_an_unfinished_run_says_so(small_run, tmp_path, capsys):
    (small_run.folder / 'model.npz').unlink()
    assert main(['export', str(small_run.folder), str(tmp_path / 'x.onnx')]) == 2
    assert 'this run has not finished' in capsys.readouterr().err


@pytest.mark.parametrize('ending', ['csv', 'json'])
def test_predictions_of_a_data_file(small_run, tmp_path, capsys, ending):
    likely = softmax(small_run.scores())
    with h5py.File(tmp_path / 'data.hdf5', 'w') as file:
        for part in ('train', 'test'):
            file[f'X_{part}'], file[f'Y_{part}'] = small_run.images, [0, 1, int(likely[2].argmax())]
        file.attrs['class_names'] = small_run.classes
    out = tmp_path / f'out.{ending}'
    sheet = ['--preview', str(tmp_path / 'sheet.png')] if ending == 'csv' else []
    assert main(['predict', str(small_run.folder), str(tmp_path / 'data.hdf5'), '-o', str(out), *sheet]) == 0
    right = numpy.mean(likely.argmax(1) == [0, 1, likely[2].argmax()])
    assert capsys.readouterr().err == f'3 images, {right:.2%} of 3 rightly\n'
    if ending == 'json':
        content = json.loads(out.read_text())
        assert content['classes'] == small_run.classes
        found = [each['probabilities'] for each in content['images']]
        labels = [each['label'] for each in content['images']]
    else:
        header, *lines = (line.split(',') for line in out.read_text().splitlines())
        assert header == ['image', 'label', 'class', 'probability', *small_run.classes]
        found, labels = numpy.array([line[4:] for line in lines], 'f4'), [line[1] for line in lines]
        assert (tmp_path / 'sheet.png').stat().st_size > 1000
    numpy.testing.assert_allclose(found, likely, rtol=1e-4)
    assert labels[:2] == ['class 0', 'class 1']


@pytest.mark.parametrize(
    'theirs, network, said',
    [
        ('abcde', 'class 0, ', '5 classes (a, b, c, d, e), the network tells 5 classes (class 0, class 1, '),
        ('abcdefg', 'class 0, ', '7 classes (a, b, c, d, e, f, g), the network tells 5 classes (class 0, '),
        ('abcdefg', None, '7 classes (a, b, c, d, e, f, g), the network tells 5 classes without names'),
    ],
)
def test_labels_of_other_classes_make_no_answer_right_or_wrong(
    small_run, tmp_path, capsys, theirs, network, said
):
    if network is None:
        (small_run.folder / 'environment.json').unlink()
    with h5py.File(tmp_path / 'data.hdf5', 'w') as file:
        for part in ('train', 'test'):
            file[f'X_{part}'], file[f'Y_{part}'] = small_run.images, [0, 1, 4]
        file.attrs['class_names'] = list(theirs)
    shape = [] if network else ['--image-shape', '3', '16', '16']
    assert main(['predict', str(small_run.folder), str(tmp_path / 'data.hdf5'), *shape]) == 0
    out, err = capsys.readouterr()
    notice, summary = err.splitlines()
    assert f'data.hdf5: its labels are of {said}' in notice
    assert notice.endswith('none of its answers counts as right or wrong')
    assert summary == '3 images'
    labels = [line.split(',')[1] for line in out.splitlines()[1:]]
    assert labels == (['a', 'b', 'e'] if network else ['0', '1', '4'])


def test_the_same_classes_in_another_order_are_counted_by_name(small_run, tmp_path, capsys):
    likely = small_run.scores().argmax(1)
    with h5py.File(tmp_path / 'data.hdf5', 'w') as file:
        for part in ('train', 'test'):
            file[f'X_{part}'], file[f'Y_{part}'] = small_run.images, 4 - likely
        file.attrs['class_names'] = small_run.classes[::-1]
    assert main(['predict', str(small_run.folder), str(tmp_path / 'data.hdf5')]) == 0
    # Perhaps after a notice that a class does not occur.
    assert capsys.readouterr().err.splitlines()[-1] == '3 images, 100.00% of 3 rightly'


def softmax(scores):
    powers = numpy.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_predictions_of_pictures(small_run, tmp_path, capsys):
    picture = PIL.Image.fromarray(small_run.images[0].transpose(1, 2, 0))
    picture.save(tmp_path / 'a.png')
    picture.resize((40, 30)).save(tmp_path / 'b.jpg')
    files = [str(tmp_path / name) for name in ('a.png', 'b.jpg')]
    assert main(['predict', str(small_run.folder), *files]) == 0
    out, err = capsys.readouterr()
    first = out.splitlines()[1].split(',')
    assert first[:2] == [files[0], '']
    numpy.testing.assert_allclose(numpy.array(first[4:], 'f4'), softmax(small_run.scores())[0], rtol=1e-4)
    assert 'b.jpg: 40x30 pixels, made 16x16' in err and err.endswith('2 images\n')


@pytest.mark.parametrize(
    'name, content, said',
    [
        ('x.png', b'no picture', 'not a PNG or JPEG image that can be read'),
        ('x.gif', b'GIF89a\1\0\1\0\0\0\0;', 'not a PNG or JPEG image that can be read'),
        ('x.png', None, 'no such file'),
        ('x.hdf5', b'no HDF5', 'x.hdf5'),
        ('x.png', 'deep', 'expected 8 bits for each colour'),
        ('x.png', 'vast', 'pixels, expected at most'),
        ('x.png', 'cut', 'not a PNG or JPEG image that can be read'),
    ],
)
def test_a_bad_picture_is_one_line(small_run, tmp_path, capsys, name, content, said):
    path = tmp_path / name
    if content == 'deep':
        PIL.Image.new('I;16', (4, 4)).save(path)
    elif content == 'vast':
        PIL.Image.new('1', (10000, 10000)).save(path)
    elif content == 'cut':
        PIL.Image.effect_noise((64, 64), 9).save(path)
        path.write_bytes(path.read_bytes()[:2000])
    elif content is not None:
        path.write_bytes(content)
    out = tmp_path / 'out.csv'
    for options in (['-o', str(out)], []):
        assert main(['predict', str(small_run.folder), str(path), *options]) == 2
        printed, error = capsys.readouterr()
        assert said in error and error.count('\n') == 1
        assert not printed and not out.exists()


def test_an_old_script_exports_by_onnx_chainer(tmp_path):
    from processes import python

    (tmp_path / 'script.py').write_text(SCRIPT)
    result = python('-m', 'vgg_cifar', 'run', 'script.py', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert 'the same' in result.stdout


SCRIPT = """
import chainer, chainer.functions as F, chainer.links as L, numpy as np, onnx_chainer, onnxruntime
net = chainer.Sequential(L.Convolution2D(3, 4, 3), L.BatchNormalization(4), F.relu,
                         lambda x: F.max_pooling_2d(x, 2, 2), L.Linear(196, 5))
x = np.random.rand(2, 3, 16, 16).astype('f')
onnx_chainer.export_testcase(net, x, 'case')
with chainer.using_config('train', False):
    mine = net(x).array
session = onnxruntime.InferenceSession('case/model.onnx')
theirs, = session.run(None, {session.get_inputs()[0].name: x})
assert chainer.config.use_ideep == 'auto' and abs(mine - theirs).max() < 1e-5
print('the same')
"""
