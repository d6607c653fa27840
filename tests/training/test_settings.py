"""Settings, from the command line and back."""

import argparse
import dataclasses
import json

import pytest

from vgg_cifar.errors import InputError
from vgg_cifar.training.settings import Settings


def parse(*words):
    parser = argparse.ArgumentParser()
    Settings.add_arguments(parser)
    return Settings.from_arguments(parser.parse_args(words))


def test_defaults_are_the_reports():
    """Report R1, section 8: Adam batch 500, 400 epochs, p = 0.40, a constant rate."""
    settings = parse()
    assert settings == Settings()
    assert (settings.batch_size, settings.epochs, settings.dropout) == (500, 400, 0.4)
    assert (settings.optimizer, settings.lr, settings.optimizer_options) == ('adam', None, {})
    assert (settings.depth, settings.batch_norm, settings.pooling, settings.filter_size) == (
        'listing',
        True,
        'max',
        3,
    )
    assert (settings.lr_schedule, settings.weight_decay, settings.validation_size) == ('constant', 0, 0)


def test_flags():
    flags = (
        '-b 10 -e 3 --no-batch-norm --dropout 0 --pooling average --filter-size 5 --optimizer momentum_sgd '
        '--lr 0.1 --optimizer-options momentum=0.5 --depth D'
    )
    settings = parse(*flags.split())
    assert settings == Settings(
        batch_size=10, epochs=3, batch_norm=False, dropout=0, pooling='average', filter_size=5,
        optimizer='momentum_sgd', lr=0.1, optimizer_options={'momentum': 0.5}, depth='D',
    )  # fmt: skip


def test_json_round_trip():
    settings = Settings(optimizer='adam', optimizer_options={'beta1': 0.5, 'amsgrad': True}, train_size=7)
    assert Settings.from_json(json.loads(json.dumps(settings.to_json())), 'settings.json') == settings


def test_a_setting_that_an_older_run_did_not_know_has_its_default():
    values = Settings(epochs=3).to_json()
    del values['chance_patience']
    assert Settings.from_json(values, 'settings.json') == Settings(epochs=3)


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'batch_size': 0}, '--batch-size is 0; expected at least 1'),
        ({'epochs': 0}, '--epochs is 0'),
        ({'train_size': 0}, '--train-size is 0'),
        ({'validation_size': -1}, '--validation-size is -1; expected 0 or more'),
        ({'dropout': 1.0}, '--dropout is 1.0'),
        ({'dropout': float('nan')}, '--dropout is nan'),
        ({'lr': 0}, '--lr is 0'),
        ({'lr': float('nan')}, '--lr is nan'),
        ({'seed': -1}, '--seed is -1'),
        ({'optimizer': 'lion'}, "--optimizer is lion; expected one of .*'adam'"),
        ({'optimizer': 'adadelta', 'lr': 0.1}, 'adadelta has no learning rate'),
        ({'optimizer': 'adadelta', 'lr_schedule': 'step'}, 'adadelta has no learning rate'),
        (
            {'optimizer_options': {'momentum': 0.9}},
            "adam has no 'momentum'; expected one of beta1, beta2, eps",
        ),
    ],
)
def test_bad_values_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        Settings(**changes)


def test_digest_names_the_settings_the_seed_and_the_images_but_not_where_they_lie():
    base = Settings(data='a.hdf5').digest('f' * 64)
    assert Settings(data='b.hdf5').digest('f' * 64) == base
    assert Settings(data='a.hdf5').digest('e' * 64) != base
    assert len({Settings(seed=seed).digest('f') for seed in range(5)} | {Settings(epochs=3).digest('f')}) == 6


def test_a_new_setting_leaves_old_runs_their_digest():
    @dataclasses.dataclass(frozen=True)
    class Later(Settings):
        new: int = 7

    for changes in ({}, {'depth': 'D', 'seed': 2}, {'model': 'mlp', 'model_options': {'hidden': 3}}):
        assert Later(**changes).digest('f') == Settings(**changes).digest('f')
    assert Later(new=8).digest('f') != Settings().digest('f')


def test_another_family_has_its_options_and_none_of_vggs_flags():
    settings = parse(
        '--model', 'conv_pool', '--model-options', 'channels=4,8', 'pad=2', 'bias=0.1', 'pools=2,'
    )
    options = {'channels': (4, 8), 'pad': 2, 'bias': 0.1, 'pools': (2,)}
    assert settings == Settings(model='conv_pool', model_options=options)
    written = json.loads(json.dumps(settings.to_json()))
    assert Settings.from_json(written, 'settings.json') == settings
    assert not {'depth', 'dropout', 'pooling', 'filter_size', 'batch_norm'} & set(written)
    words = parse('--model', 'reduction_cnn', '--model-options', 'reduction=striding', 'doubling=True')
    assert words.model_options == {'reduction': 'striding', 'doubling': True}


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'model': 'mlp', 'depth': 'D'}, '--depth is for --model vgg; mlp takes --model-options hidden='),
        (
            {'model': 'mlp', 'model_options': {'depth': 1}},
            "mlp has no 'depth'; expected one of hidden, units",
        ),
        (
            {'model_options': {'depth': 'D'}},
            "vgg has no 'depth'; expected the flags of vgg: depth, batch_norm",
        ),
        ({'model': 'resnet'}, '--model is resnet; expected one of'),
        ({'crop': 0}, '--crop is 0; expected at least 1'),
        ({'random_erasing': 1.5}, '--random-erasing is 1.5; expected from 0'),
        ({'log_steps': 0}, '--log-steps is 0'),
    ],
)
def test_bad_models_and_transforms_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        Settings(**changes)


@pytest.mark.parametrize('word', ['blocks', '=5', 'blocks='])
def test_an_option_needs_a_name_and_a_value(word, capsys):
    with pytest.raises(SystemExit):
        parse('--model', 'residual_vgg', '--model-options', word)
    assert 'is not NAME=VALUE' in capsys.readouterr().err
