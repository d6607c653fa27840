"""`vgg-cifar completion`."""

import subprocess

from vgg_cifar.cli import VERBS, main


def test_bash_completes_verbs_flags_and_choices(tmp_path, capsys):
    assert main(['completion', 'bash']) == 0
    (tmp_path / 'script').write_text(capsys.readouterr().out)
    ask = (
        'source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '$(complete -p vgg-cifar | sed "s/.*-F \\([^ ]*\\).*/\\1/") vgg-cifar; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )

    def completed(*words):
        command = ['bash', '-c', ask, 'bash', 'vgg-cifar', *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout.split()

    assert set(completed('')) >= set(VERBS)
    assert completed('repro') == ['reproduce']
    assert '--batch-norm' in completed('train', '--ba')
    assert completed('train', '--pooling', 'a') == ['average']
