"""Settings, from the command line and back."""

import argparse
import dataclasses
import json

import pytest

from vgg_cifar.errors import InputError
from vgg_cifar.training import settings_flags
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.settings_json import digest, from_json, to_json


def parse(*words):
    parser = argparse.ArgumentParser()
    settings_flags.add_arguments(parser)
    return settings_flags.from_arguments(parser.parse_args(words))


def test_defaults_are_the_reports():
    """Report R1, section 8: Adam batch 500, 400 epochs, p = 0.40, a constant rate."""
    settings = parse()
    assert settings == Settings()
    assert (settings.batch_size, settings.epochs) == (500, 400)
    assert (settings.optimizer, settings.lr, settings.optimizer_options) == ('adam', None, {})
    assert settings.model_options == {
        'depth': 'listing', 'batch_norm': True, 'dropout': 0.4, 'pooling': 'max', 'filter_size': 3
    }  # fmt: skip
    assert (settings.lr_schedule, settings.weight_decay, settings.validation_size) == ('constant', 0, 0)


def test_flags():
    flags = (
        '-b 10 -e 3 --no-batch-norm --dropout 0 --pooling average --filter-size 5 --optimizer momentum_sgd '
        '--lr 0.1 --optimizer-options momentum=0.5 --depth D'
    )
    settings = parse(*flags.split())
    options = {'depth': 'D', 'batch_norm': False, 'dropout': 0, 'pooling': 'average', 'filter_size': 5}
    assert settings == Settings(
        batch_size=10, epochs=3, optimizer='momentum_sgd', lr=0.1, optimizer_options={'momentum': 0.5},
        model_options=options,
    )  # fmt: skip
    assert settings == Settings(batch_size=10, epochs=3).replace(
        optimizer='momentum_sgd', lr=0.1, optimizer_options={'momentum': 0.5}, **options
    )
    both = parse('--model-options', 'depth=D', '--dropout', '0.1')
    assert both == Settings().replace(depth='D', dropout=0.1)


def test_json_round_trip():
    settings = Settings(optimizer='adam', optimizer_options={'beta1': 0.5, 'amsgrad': True}, train_size=7)
    assert from_json(json.loads(json.dumps(to_json(settings))), 'settings.json') == settings


def test_a_setting_that_an_older_run_did_not_know_has_its_default():
    values = to_json(Settings(epochs=3))
    del values['chance_patience']
    assert from_json(values, 'settings.json') == Settings(epochs=3)


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'batch_size': 0}, 'batch_size is 0; expected at least 1'),
        ({'epochs': 0}, 'epochs is 0'),
        ({'train_size': 0}, 'train_size is 0'),
        ({'validation_size': -1}, 'validation_size is -1; expected 0 or more'),
        ({'batch_size': '3'}, 'batch_size is 3; expected at least 1'),
        ({'batch_size': True}, 'batch_size is True'),
        ({'epochs': 10**30}, 'epochs is 1000000000'),
        ({'weight_decay': float('inf')}, 'weight_decay is inf'),
        ({'gradient_flow': 1}, 'gradient_flow is 1; expected True or False'),
        ({'data': 3}, 'data is 3; expected a text'),
        ({'augment': 3}, 'augment is 3; expected some of'),
        ({'augment': [['flip']]}, 'augment is'),
        ({'model': ['vgg']}, 'model is'),
        ({'model_options': [1]}, 'model_options is'),
        ({'model_options': {'depth': {}}}, 'model_options is'),
        ({'optimizer_options': {'beta1': 'x'}}, 'optimizer_options is'),
        ({'lr': 0}, 'lr is 0'),
        ({'lr': float('nan')}, 'lr is nan'),
        ({'seed': -1}, 'seed is -1'),
        ({'optimizer': 'lion'}, 'optimizer is lion; expected one of adam'),
        ({'optimizer': 'adadelta', 'lr': 0.1}, 'adadelta has no learning rate'),
        ({'optimizer': 'adadelta', 'lr_schedule': 'step'}, 'adadelta has no learning rate'),
        (
            {'optimizer_options': {'momentum': 0.9}},
            "adam has no 'momentum'; expected one of beta1, beta2, eps",
        ),
        ({'optimizer': 'sgd', 'optimizer_options': {'foo': 1}}, "sgd has no 'foo'; it has none"),
        ({'optimizer_options': {'alpha': 1}}, 'alpha is the learning rate; give it by --lr'),
        ({'optimizer_options': {'beta1': 2}}, 'beta1 is 2; expected a number from 0 to below 1'),
        ({'optimizer_options': {'eps': float('nan')}}, 'eps is nan; expected a number, 0 or more'),
        ({'optimizer_options': {'amsgrad': 1}}, 'amsgrad is 1; expected True or False'),
        ({'model': 'mlp', 'model_options': {'hidden': 'abc'}}, "mlp: hidden is 'abc'; expected a whole"),
        ({'data': ''}, 'data is empty; expected a text'),
    ],
)
def test_bad_values_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        Settings(**changes)


def test_digest_names_the_settings_the_seed_and_the_images_but_not_where_they_lie():
    base = digest(Settings(data='a.hdf5'), 'f' * 64)
    assert digest(Settings(data='b.hdf5'), 'f' * 64) == base
    assert digest(Settings(data='a.hdf5'), 'e' * 64) != base
    others = [Settings(epochs=3), *(Settings(seed=seed) for seed in range(5))]
    assert len({digest(each, 'f') for each in others}) == 6


def test_a_new_setting_leaves_old_runs_their_digest():
    @dataclasses.dataclass(frozen=True)
    class Later(Settings):
        new: int = 7

    for changes in (
        {},
        {'model_options': {'depth': 'D'}, 'seed': 2},
        {'model': 'mlp', 'model_options': {'hidden': 3}},
    ):
        assert digest(Later(**changes), 'f') == digest(Settings(**changes), 'f')
    assert digest(Later(new=8), 'f') != digest(Settings(), 'f')


def test_another_family_has_its_options_and_none_of_vggs_flags():
    settings = parse(
        '--model', 'conv_pool', '--model-options', 'channels=4,8', 'pad=2', 'bias=0.1', 'pools=2,'
    )
    options = {'channels': (4, 8), 'pad': 2, 'bias': 0.1, 'pools': (2,)}
    assert settings == Settings(model='conv_pool', model_options=options)
    written = json.loads(json.dumps(to_json(settings)))
    assert from_json(written, 'settings.json') == settings
    assert not {'depth', 'dropout', 'pooling', 'filter_size', 'batch_norm'} & set(written)
    words = parse('--model', 'reduction_cnn', '--model-options', 'reduction=striding', 'doubling=True')
    assert words.model_options == {'reduction': 'striding', 'doubling': True}


@pytest.mark.parametrize(
    'changes, message',
    [
        (
            {'model': 'mlp', 'model_options': {'depth': 1}},
            "mlp has no 'depth'; expected one of hidden, units",
        ),
        ({'model_options': {'hidden': 2}}, "vgg has no 'hidden'; expected one of depth, batch_norm"),
        ({'model': 'resnet'}, 'model is resnet; expected one of'),
        ({'crop': 0}, 'crop is 0; expected at least 1'),
        ({'random_erasing': 1.5}, 'random_erasing is 1.5; expected from 0'),
        ({'log_steps': 0}, 'log_steps is 0'),
    ],
)
def test_bad_models_and_transforms_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        Settings(**changes)


@pytest.mark.parametrize(
    'words, message',
    [
        ('-b 0', '--batch-size is 0; expected at least 1'),
        ('--random-erasing 2', '--random-erasing is 2.0; expected from 0'),
        ('--model mlp --depth D', '--depth is for --model vgg; mlp takes --model-options hidden='),
    ],
)
def test_at_the_command_line_a_setting_is_called_by_its_flag(words, message):
    with pytest.raises(InputError, match=message):
        parse(*words.split())


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'batch_size': 'x'}, 'a/settings.json: batch_size is x, expected at least 1; restore it, or choose'),
        ({'epochs': 1e308}, 'a/settings.json: epochs is 1e\\+308, expected at least 1'),
        ({'model': {}}, 'a/settings.json: model is {}, expected one of vgg'),
        ({'model_options': 3}, 'a/settings.json: model_options is 3, expected names'),
        ({'depth': {'a': 1}}, 'a/settings.json: model_options is'),
        ({'optimizer_options': {'rho': 1}}, "a/settings.json: --optimizer-options: adam has no 'rho'"),
        ({'\x1b[2J': 1}, r'settings of a run \(\\x1b\[2J\)'),
        ({'depth': 'D', 'model': 'mlp'}, 'not the settings of a run .*depth'),
    ],
)
def test_in_a_file_a_setting_is_called_by_its_field(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        from_json({**to_json(Settings()), **changes}, 'a/settings.json')
    assert str(caught.value).isprintable()


@pytest.mark.parametrize('word', ['blocks', '=5', 'blocks='])
def test_an_option_needs_a_name_and_a_value(word, capsys):
    with pytest.raises(SystemExit):
        parse('--model', 'residual_vgg', '--model-options', word)
    assert 'is not NAME=VALUE' in capsys.readouterr().err
