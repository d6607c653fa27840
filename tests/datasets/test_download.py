from vgg_cifar.datasets.download import PlainProgress


def test_without_a_terminal_progress_is_a_line_now_and_then_with_an_estimate():
    said = []
    progress = PlainProgress('a.tar.gz', said.append)
    progress.total = 4_000_000
    progress.update(1_000_000)
    assert said == []
    progress.every_seconds = 0
    progress.update(1_000_000)
    assert said == ['a.tar.gz: 2 of 4 MB, about 0 min left']


def test_a_size_that_the_host_does_not_say_is_not_made_up():
    said = []
    progress = PlainProgress('a.tar.gz', said.append)
    progress.every_seconds = 0
    progress.update(1_000_000)
    progress.reset()
    progress.update(0)
    progress.close()
    assert said == []
