"""`vgg-cifar completion`: what makes a shell complete the command's words."""

import argparse

import shtab

EXAMPLES = """examples:
  vgg-cifar completion bash > ~/.local/share/bash-completion/completions/vgg-cifar
  vgg-cifar completion zsh > ~/.zfunc/_vgg-cifar             with fpath+=~/.zfunc before compinit"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.description = 'Prints a script for tab completion, which the shell reads at its start.'
    parser.epilog = EXAMPLES
    parser.add_argument('shell', choices=shtab.SUPPORTED_SHELLS)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from vgg_cifar.cli import VERBS, parser

    print(shtab.complete(parser(VERBS), arguments.shell))
    return 0
